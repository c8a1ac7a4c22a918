"""A caller's XLA_FLAGS stand beside those of the tests, and before them."""

import os

from tests.xla_flags import FLAGS, with_those_of_tests


def test_what_the_caller_sets_is_left_and_the_rest_is_added():
    ours = [f"--{name}={value}" for name, value in FLAGS.items()]
    assert with_those_of_tests("").split() == ours
    given = "--xla_cpu_max_isa=AVX2 --xla_backend_optimization_level=3"
    assert with_those_of_tests(given).split() == [*given.split(), *ours[1:]]
    assert with_those_of_tests(" ".join(ours)).split() == ours


def test_the_tests_run_with_them():
    told = os.environ["XLA_FLAGS"].split()
    assert {f.lstrip("-").partition("=")[0] for f in told} >= FLAGS.keys()
