"""The core of the diffusion model stays small: its lines of code are counted, and README names its files."""

import ast
import io
import tokenize
from pathlib import Path

import fpsde

PACKAGE = Path(fpsde.__file__).parent
#: What is read beside the papers, in this order.
CORE = (
    "signal_and_noise.py processes/noise_schedules.py schemes/denoising.py "
    "ddpm/network.py ddpm/denoiser.py ddpm/batches.py ddpm/adam.py ddpm/learning.py"
).split()
#: Lines of code of a file, and of all together. Who needs more of them moves out what is not in the papers.
MOST, MOST_IN_ALL = 100, 420
_NO_CODE = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


def code_lines(text: str) -> int:
    """Return the number of lines that hold code: neither blank, nor comments or docstrings alone."""
    tokens = (token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type not in _NO_CODE)
    lines = {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            lines -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return len(lines)


def test_lines_of_code_are_counted_without_docstrings_and_comments() -> None:
    text = '"""One.\n\nTwo."""\n# three\n\ndef f(\n    a,  # four\n):\n    """Five."""\n    return a\n'
    assert code_lines(text) == 4
    assert code_lines(text + "x = 1\n") == 5


def test_the_core_is_small() -> None:
    counted = {name: code_lines((PACKAGE / name).read_text(encoding="utf-8")) for name in CORE}
    assert max(counted.values()) <= MOST, counted
    assert MOST_IN_ALL - 50 < sum(counted.values()) <= MOST_IN_ALL, counted  # a looser limit would not hold it


def test_readme_names_the_files_of_the_core() -> None:
    readme = (PACKAGE.parent / "README.md").read_text(encoding="utf-8")
    told = readme[readme.index("The core of the diffusion model") :].partition("\n\n")[0]
    for name in CORE:
        assert f"`{name.removeprefix('ddpm/')}`" in told
