"""The parameter sets are those of the specification, and no other is accepted."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import gmpy2
import pytest

from crypto.errors import Malformed
from crypto.parameters import (
    REDUCED_3072,
    STANDARD,
    TOY,
    Parameters,
    find_parameters,
    parameters_named,
)

ALL = (STANDARD, REDUCED_3072, *TOY)

# Spec 3.1.1 and appendix.
DELTA = {
    4096: 287975203778583638958138611533602521491887169409704874643524560756486080635197037903,
    3072: 298707407953437995876300625370749906325322663598036756391867662926569213935809577593,
}


def ln2_bits(bits: int) -> int:
    """floor(2^bits ln 2), by ln 2 = sum over n >= 1 of 1 / (n 2^n)."""
    guard = 64

    def terms() -> Iterator[int]:
        for n in count(1):
            if n > bits + guard:
                return
            yield (1 << (bits + guard - n)) // n

    return sum(terms()) >> guard


@pytest.mark.parametrize("parameters", [STANDARD, REDUCED_3072], ids=lambda x: x.name)
def test_large_primes_follow_from_ln_2(parameters: Parameters) -> None:
    """p is the number that spec 3.1.1 constructs from ln(2) and delta; q is 2^256 - 189."""
    bits = parameters.p.bit_length()
    middle = ln2_bits(bits - 512) + DELTA[bits]
    assert parameters.p == 2**bits - 2 ** (bits - 256) + 2**256 * middle + 2**256 - 1
    assert parameters.q == 2**256 - 189


@pytest.mark.parametrize("parameters", ALL, ids=lambda x: x.name)
def test_every_set_has_the_promised_structure(parameters: Parameters) -> None:
    """p, q and (p - 1)/2q are prime, p = 3 mod 4, and g = 2^r has order q."""
    p, q, g = parameters.p, parameters.q, parameters.g
    assert (p - 1) % (2 * q) == 0
    assert all(gmpy2.is_prime(x) for x in (p, q, (p - 1) // (2 * q)))
    assert p % 4 == 3
    assert g == pow(2, parameters.r, p)
    assert pow(g, q, p) == 1 != g


@pytest.mark.parametrize("parameters", TOY, ids=lambda x: x.name)
def test_toy_sets_say_so(parameters: Parameters) -> None:
    """Every toy set is marked as one and named after the bits of q and p."""
    assert parameters.toy
    assert parameters.name == f"toy-{parameters.q.bit_length()}-{parameters.p.bit_length()}"


def test_widths_follow_the_primes() -> None:
    """Elements and scalars take as many bytes as p and q: 512 and 32 in the standard set."""
    assert not STANDARD.toy
    assert (STANDARD.element_width, STANDARD.scalar_width) == (512, 32)
    assert (REDUCED_3072.element_width, REDUCED_3072.scalar_width) == (384, 32)
    assert (TOY[0].element_width, TOY[0].scalar_width) == (2, 1)


@pytest.mark.parametrize("parameters", ALL, ids=lambda x: x.name)
def test_a_known_set_is_found(parameters: Parameters) -> None:
    """A set is found by its numbers and by its name."""
    assert find_parameters(parameters.p, parameters.q, parameters.g) is parameters
    assert parameters_named(parameters.name) is parameters


@pytest.mark.parametrize(
    ("field", "p", "q", "g"),
    [
        ("p", STANDARD.p + 2, STANDARD.q, STANDARD.g),
        ("q", STANDARD.p, STANDARD.q - 2, STANDARD.g),
        ("g", STANDARD.p, STANDARD.q, pow(STANDARD.g, 2, STANDARD.p)),
        ("g", STANDARD.p, STANDARD.q, 1),
        ("g", STANDARD.p, STANDARD.q, REDUCED_3072.g),
    ],
)
def test_an_unknown_set_is_malformed(field: str, p: int, q: int, g: int) -> None:
    """Numbers of no known set are refused, naming the one that is wrong."""
    with pytest.raises(Malformed) as caught:
        find_parameters(p, q, g)
    assert caught.value.field == field


def test_an_unknown_name_is_malformed() -> None:
    """A name that no set has is refused, and the known names are told."""
    with pytest.raises(Malformed, match="standard"):
        parameters_named("standard-8192")


def test_repr_is_short() -> None:
    """A printed parameter set is its name, not a thousand digits."""
    assert repr(STANDARD) == "Parameters(name='standard', toy=False)"
