# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is published is the checkout, but for links that would lead nowhere on Galaxy."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "tools"))
import release  # noqa: E402

HERE, VERSION = "https://github.com/netpath/ipmp", "1.0.0"


@pytest.mark.parametrize("page", ["README.md", "roles/mpathd/README.md", "roles/hostname_files/README.md"])
def test_every_link_of_a_published_readme_is_absolute_and_names_a_file(page: str) -> None:
    text = (CHECKOUT / page).read_text()
    published = release.absolute(text, str(Path(page).parent), HERE, VERSION)
    links = re.findall(r"\]\(([^)]+)\)", published)
    assert len(links) == len(re.findall(r"\]\(", text))
    assert all(link.startswith(("https://", "#")) for link in links), links
    for link in [link for link in links if link.startswith((f"{HERE}/blob", f"{HERE}/raw"))]:
        path = re.sub(rf"^{HERE}/(blob|raw)/{VERSION}/|#.*$", "", link)
        assert (CHECKOUT / path).exists(), link


def test_images_are_linked_as_such() -> None:
    text = release.absolute("![a](docs/a.svg) [b](docs/b.md#c) [d](#d)", "", HERE, VERSION)
    assert text == f"![a]({HERE}/raw/1.0.0/docs/a.svg) [b]({HERE}/blob/1.0.0/docs/b.md#c) [d](#d)"
