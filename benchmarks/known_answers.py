"""Write what each shipped model tells of a drawn face, by which `doctor` knows that it is well.

Run it after a model file has changed: python benchmarks/known_answers.py
"""

import json
from pathlib import Path

from face_classification_ros.doctor import answer_drawn_face

MODELS = Path(__file__).resolve().parents[1] / 'resource' / 'models'


def main() -> None:
    """Write `known_answers.json` beside the model files."""
    answers = {path.stem: answer_drawn_face(path) for path in sorted(MODELS.glob('*.onnx'))}
    (MODELS / 'known_answers.json').write_text(json.dumps(answers, indent=1) + '\n')


if __name__ == '__main__':
    main()
