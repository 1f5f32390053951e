#!/bin/sh
# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Runs ansible-test sanity on what the tarball holds, with no test ignored. Arguments go to ansible-test.
#
# ansible-test refuses a symlinked collection, so the built tarball is installed and tested, as a repository of its own:
# else ansible-test would ask the checkout's, where build/ is ignored. It also fetches a script
# from the net to bring pip into the environments that it makes; where that file lies in its cache already it takes
# that one, so ours is put there and installs the pip that came with Python.
set -eu
cd "$(dirname "$0")/.."
build=$PWD/build
tree=$build/sanity/ansible_collections/netpath/ipmp
export HOME="$build/home" LC_ALL=C.UTF-8

rm -rf "$build/sanity"
mkdir -p "$build/sanity" "$build/home"
ansible-galaxy collection build --force --output-path "$build/sanity" . >/dev/null
# --force: else the view of the checkout counts as this version, installed already.
ansible-galaxy collection install --force --offline --no-deps -p "$build/sanity" "$build"/sanity/netpath-ipmp-*.tar.gz \
	>/dev/null 2>&1
test -s "$tree/MANIFEST.json"
mkdir -p "$tree/tests"
cp tests/config.yml "$tree/tests/"
git init --quiet "$tree"

python - "$build/home/.ansible/test/cache" <<'PYTHON'
import pathlib
import re
import sys

import ansible_test

cache = pathlib.Path(sys.argv[1])
cache.mkdir(parents=True, exist_ok=True)
source = pathlib.Path(ansible_test.__file__).parent / "_internal" / "python_requirements.py"
for version in re.findall(r"\bpip='([0-9.]+)'", source.read_text()):
    (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(
        "import subprocess, sys\n"
        "arguments = [a for a in sys.argv[1:] if a not in ('--no-setuptools', '--no-wheel')]\n"
        "subprocess.check_call([sys.executable, '-m', 'ensurepip'], stdout=subprocess.DEVNULL)\n"
        "subprocess.check_call([sys.executable, '-m', 'pip', 'install', '--quiet', *arguments])\n"
    )
PYTHON

cd "$tree"
version=$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
exec ansible-test sanity --color no --python "$version" "$@"
