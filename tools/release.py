#!/usr/bin/env python3
# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges the collection as Galaxy would (``check``), and builds its site and man pages into build/docs (``docs``)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Tuple

import cores
from setup import BUILD, CHECKOUT, run

VIEW = BUILD / "collections" / "ansible_collections" / "netpath" / "ipmp"
SITE = BUILD / "docs"
SOURCE = SITE / "source"
PAGES = ("README.md", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "roles/*/README.md")
PAGES += ("docs/*.md", "docs/*.svg", "docs/*.png", "docs/man/*.md", "docs/performance/*.svg")
CONF = """
project = "netpath.ipmp"
author = copyright = "the netpath.ipmp contributors"
release = {version!r}
extensions = ["myst_parser", "sphinx_antsibull_ext"]
html_theme = "alabaster"
html_theme_options = {{"page_width": "1100px", "sidebar_width": "260px", "description": "IPMP for Linux"}}
html_show_sphinx = False
myst_heading_anchors = 3
# Links to files that are no pages (LICENSE, .ci/run), and labels of Ansible's own documentation, which is not at hand.
suppress_warnings = ["myst.xref_missing", "myst.header", "ref.ref"]
man_pages = {manuals!r}
"""
INDEX = """
netpath.ipmp
============

.. toctree::
   :maxdepth: 1
   :glob:

   README
   collection/index
   docs/*
   docs/man/*
   roles/*/*
   CONTRIBUTING
   CODE_OF_CONDUCT
"""


def environment() -> Tuple[Path, Dict[str, str]]:
    """The environment's programs, and the variables that they get: nothing of the user's own Ansible."""
    wanted = CHECKOUT / "requirements" / "cores" / "release.txt"
    bin_ = cores.environment(BUILD / "release", sys.executable, wanted) / "bin"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))}
    home = BUILD / "home" / "release"
    home.mkdir(parents=True, exist_ok=True)
    ours = {"HOME": str(home), "PATH": f"{bin_}:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    return bin_, {**kept, **ours, "ANSIBLE_COLLECTIONS_PATH": str(BUILD / "collections")}


def absolute(text: str, folder: str, repository: str, version: str) -> str:
    """The text of a page in that folder ("" or "roles/NAME") with links to the repository instead of relative ones."""

    def link(found: re.Match[str]) -> str:
        path, mark, place = found[1].partition("#")
        view = "raw" if path.endswith((".svg", ".png")) else "blob"
        return f"]({repository}/{view}/{version}/{os.path.normpath(os.path.join(folder, path))}{mark}{place})"

    return re.sub(r"\]\((?!https?:|#)([^)]+)\)", link, text)


def staged() -> Path:
    """The checkout as it is published: Galaxy shows the READMEs alone, so their links lead to the repository."""
    tree = BUILD / "staged"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(CHECKOUT, tree, ignore=shutil.ignore_patterns("build", ".git", "__pycache__"), symlinks=True)
    galaxy = (tree / "galaxy.yml").read_text(encoding="utf-8")
    repository, version = (re.findall(rf"^{key}: (\S+)", galaxy, re.MULTILINE)[0] for key in ("repository", "version"))
    for page in [tree / "README.md", *tree.glob("roles/*/README.md")]:
        folder = "" if page.parent == tree else str(page.parent.relative_to(tree))
        text = absolute(page.read_text(encoding="utf-8"), folder, repository, version)
        page.write_text(text, encoding="utf-8")
    return tree


def check() -> int:
    """Builds the tarball that is published; galaxy-importer and antsibull-docs judge it, and a warning is a failure."""
    bin_, variables = environment()
    out = BUILD / "tarball"
    shutil.rmtree(out, ignore_errors=True)
    run("building the tarball", [
        str(bin_ / "ansible-galaxy"), "collection", "build", "--output-path", str(out), str(staged())
    ], variables)  # fmt: skip
    (tarball,) = out.glob("*.tar.gz")
    lines: List[Tuple[str, List[str], Path]] = [
        ("galaxy-importer", [str(bin_ / "python"), "-m", "galaxy_importer.main", str(tarball)], out),
        ("antsibull-docs", [str(bin_ / "antsibull-docs"), "lint-collection-docs", "--plugin-docs", "."], VIEW),
    ]
    wrong = 0
    for name, line, where in lines:
        done = subprocess.run(line, cwd=where, env=variables, capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        complaints = [text for text in said.splitlines() if re.search(r"warning|error", text, re.IGNORECASE)]
        if done.returncode or complaints:
            wrong += 1
            print("\n".join(complaints or said.splitlines()[-20:]), file=sys.stderr)
        print(f"{name}: {'failed' if done.returncode or complaints else 'passed'}", flush=True)
    return 1 if wrong else 0


def docs() -> int:
    """HTML in build/docs/html, man pages in build/docs/man. The exit code."""
    bin_, variables = environment()
    shutil.rmtree(SITE, ignore_errors=True)
    for pattern in PAGES:
        for page in CHECKOUT.glob(pattern):
            target = SOURCE / page.relative_to(CHECKOUT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(page, target)
    collection = SOURCE / "collection"
    collection.mkdir(mode=0o700)
    antsibull = [str(bin_ / "antsibull-docs"), "collection", "--use-current", "--squash-hierarchy", "--fail-on-error"]
    run(
        "describing the modules, roles and filters",
        [*antsibull, "--dest-dir", str(collection), "netpath.ipmp"],
        variables,
    )
    manuals = [manual(page) for page in sorted((SOURCE / "docs" / "man").glob("*.md"))]
    version = re.findall(r"^version: (\S+)", (CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"), re.MULTILINE)[0]
    (SOURCE / "conf.py").write_text(CONF.format(version=version, manuals=manuals), encoding="utf-8")
    (SOURCE / "index.rst").write_text(INDEX, encoding="utf-8")
    sphinx = [str(bin_ / "python"), "-m", "sphinx", "--fail-on-warning", "--keep-going", "-q"]
    for builder in ("html", "man"):
        run(f"building {builder}", [*sphinx, "-b", builder, str(SOURCE), str(SITE / builder)], variables)
    print(f"{SITE / 'html' / 'index.html'}, and {len(manuals)} man pages in {SITE / 'man'}")
    return 0


def manual(page: Path) -> Tuple[str, str, str, List[str], int]:
    """What sphinx wants to know of a man page: document, name, description, authors, section.

    Sphinx writes the section Name of a man page itself, so that it stays in the HTML only.
    """
    name, section = page.stem.rsplit(".", 1)
    text = page.read_text(encoding="utf-8")
    (said,) = re.findall(r"^## Name\n(.* - .*)\n", text, re.MULTILINE)
    page.write_text(text.replace(f"## Name\n{said}\n", f"```{{only}} html\n{said}\n```\n"), encoding="utf-8")
    document = str(page.relative_to(SOURCE))[: -len(".md")]
    return document, name, said.partition(" - ")[2], [], int(section)


if __name__ == "__main__":
    sys.exit({"check": check, "docs": docs}[sys.argv[1]]())
