"""Local transformers models in this process.

`engine` is what DSPy sees; `shelf` holds the loaded checkpoints; `chat` turns messages into tokens; `job` is what one
request asks of a model.  `checkpoint`, `sampling`, and `ends` import torch, and are imported by the others when a
model is loaded, not before.
"""
