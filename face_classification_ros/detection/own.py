"""The detector `own`: the network that this package has trained and ships."""

from __future__ import annotations

from face_classification_ros.detection.yunet import YuNet
from face_classification_ros.inference.model_zoo import model_path, SHIPPED_DETECTOR


class Own(YuNet):
    """A detector of the framework in `networks`, on every processor of ONNX Runtime."""

    def __init__(self, model: str, num_threads: int) -> None:
        """Load the model.

        Args:
            model: path of a model file that `train` has written; "" for the shipped one.
            num_threads: number of threads.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is not such a detector.
        """
        super().__init__(model or model_path(SHIPPED_DETECTOR), num_threads)
