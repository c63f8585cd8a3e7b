"""Where distrust lives: evidence is hashed, recognised by content, and read without running it.

Nothing is imported here, so that the dataset readers can be used where torch must not be.
"""
