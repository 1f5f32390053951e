# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of an inventory, converted and checked as those that a module gets."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Tuple

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError


def checked(spec: ArgumentSpecValidator, given: Mapping[str, Any]) -> Tuple[Dict[str, Any], List[str]]:
    """(the values as a module would see them, sentences about what is wrong with them)."""
    try:
        result = spec.validate(given)
    except (AttributeError, TypeError) as error:  # it looks into a value of the wrong type all the same
        return {}, [f"cannot be read: {error}"]
    # Of an option that does not exist the validator says no more than its name.
    return result.validated_parameters, [
        f"there is no {error.msg}" if isinstance(error, UnsupportedError) else str(error.msg)
        for error in result.errors.errors
    ]
