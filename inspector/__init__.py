"""Inspector: a desktop forensic inspector for poisoned training data and backdoored classifiers."""

__version__ = "0.1.0"
