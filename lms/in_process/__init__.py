"""Local transformers models in this process.

`engine` is what DSPy sees; `shelf` holds the loaded checkpoints; `chat` turns messages into tokens; `job` is what one
request asks of a model.  A `checkpoint` answers, with `sampling` and `ends`, or says how likely texts are
(`likelihood`); both read `rows` of tokens into a `cache`.  These import torch, and are imported by the others when a
model is loaded, not before.
"""
