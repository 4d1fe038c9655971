"""What the compiler says when a user's setting or model cannot be compiled; `exit_code` is the command line's."""


class SettingError(ValueError):
    """A setting that cannot work: dies, sequence lengths, group sizes, a target's name."""

    exit_code = 4


class UnsupportedError(ValueError):
    """A model or operator that the compiler cannot translate, named in the message."""

    exit_code = 5


class BuildError(RuntimeError):
    """The system compiler is missing or refused; the message holds its first complaint."""

    exit_code = 5
