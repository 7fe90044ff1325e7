# sizes of the net; the training script has more
WIDTH = 16
STEM = dict(kernel_size=3, stride=2, padding=1)
NUM_CLASSES = 10
LR = 1e-3
