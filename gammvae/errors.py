"""The two ways a run ends that are not a defect of the program."""


class InputError(ValueError):
    """What the user gave cannot be used; the message names it, its value and the rule."""


class DivergenceError(ArithmeticError):
    """Training left the finite numbers; the message names the term, the stage and the epoch."""
