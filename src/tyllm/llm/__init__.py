"""From a checkpoint folder to a package folder: the language-model half of the compiler, over tytvm."""
