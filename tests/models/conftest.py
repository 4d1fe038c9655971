"""One thread: the models are small, and waiting threads would slow down what else the machine does."""

import torch

torch.set_num_threads(1)
