"""Write the predictions of each shipped model for a drawn face, which `doctor` compares with.

Run it after a model file has changed: python benchmarks/reference_predictions.py
"""

import json
from pathlib import Path

from face_classification_ros.doctor.models import predict_drawn_face, REFERENCE
from face_classification_ros.inference.model_zoo import shipped_classifiers

MODELS = Path(__file__).resolve().parents[1] / 'resource' / 'models'


def main() -> None:
    """Write the reference next to the model files."""
    reference = {path.stem: predict_drawn_face(path) for path in shipped_classifiers()}
    (MODELS / REFERENCE).write_text(json.dumps(reference, indent=1) + '\n')


if __name__ == '__main__':
    main()
