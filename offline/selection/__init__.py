"""Which model, net of luck and cost.

Pure: arrays and records in, verdicts out. ``offline.registry`` hands over what was tried, and stores what was found.
``trials`` holds what was tried, ``objective`` weighs return against instability, dishonesty and delay, ``luck`` says
what the best of so many would look like without skill, ``stability`` whether the folds agree on what matters, and
``ranking`` puts it into one table. What too little data cannot say is refused in words (``Finding.why_not``), never
guessed.
"""
