"""Networks for small images that torchvision lacks, each rebuilt from the shapes of its weights.

One file per family. Each has the network, a ``read_...`` that turns names and shapes into the
arguments of the network (or None), and nothing that looks at values.
"""
