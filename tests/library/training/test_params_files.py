"""Parameters in files: nothing is lost, and what is read is what is asked for."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from rnnshare.training import load_params, save_params

EXTENDED = (jnp.bfloat16, jnp.float8_e4m3fn, jnp.float8_e5m2, jnp.int4)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "params.npz"


def assert_comes_back(path, params):
    save_params(path, params)
    back = load_params(path, params)
    assert jax.tree.structure(back) == jax.tree.structure(params)
    for a, b in zip(jax.tree.leaves(back), jax.tree.leaves(params), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_every_dtype_comes_back(path):
    kept = (jnp.float16, jnp.float32, jnp.complex64, jnp.int8, jnp.uint32, jnp.bool)
    numbers = jnp.arange(-3, 3).reshape(2, 3)
    params = {jnp.dtype(t).name: numbers.astype(t) for t in EXTENDED + kept}
    params["scalar"] = jnp.bfloat16(0.3)
    assert_comes_back(path, params)
    with np.load(path) as arrays:  # without this library, as the module says
        bits = arrays["bfloat16:bfloat16"]
        assert bits.dtype == np.uint16
        found = bits.view(ml_dtypes.bfloat16).astype(np.float32)
        np.testing.assert_array_equal(found, numbers)
        np.testing.assert_array_equal(arrays["float32"], numbers)


@pytest.mark.parametrize(
    "params",
    [
        {"file": np.ones(2), "args": np.zeros(1)},
        {"a": {"b": np.zeros(1)}, "a/b": np.ones(1), "a%2Fb": np.full(1, 2.0)},
        {"a": np.zeros(1), "a.npy": np.ones(1), "a:int4": jnp.ones(1, jnp.int4)},
        {"a": [np.zeros(1), (np.ones(1),)], "": np.ones(2), "ü ": np.ones(3)},
        np.arange(3.0),
    ],
    ids=["keywords", "slashes", "suffixes", "nested", "one"],
)
def test_every_name_comes_back(path, params):
    assert_comes_back(path, params)


def test_what_differs_is_named(path):
    save_params(path, {"a": {"k": jnp.ones(2, jnp.bfloat16)}})
    with pytest.raises(ValueError, match=r"a/k is bfloat16 in .*, but float32 here"):
        load_params(path, {"a": {"k": jnp.ones(2)}})
    with pytest.raises(ValueError, match=r"a/k is \(2,\) in .*, but \(3,\) here"):
        load_params(path, {"a": {"k": jnp.ones(3, jnp.bfloat16)}})
    with pytest.raises(ValueError, match=r"has no 'a%2Fk'; it holds a/k\. Build the"):
        load_params(path, {"a/k": jnp.ones(2, jnp.bfloat16)})


def test_what_is_not_finite_is_kept_and_named(path):
    for dtype, bad in ((jnp.float32, np.nan), (jnp.bfloat16, -np.inf)):
        params = {"a": jnp.ones((2, 2), dtype).at[1, 0].set(bad), "b": jnp.arange(2)}
        save_params(path, params)
        message = rf"a in .* holds {bad} at \(1, 0\), one of 1 numbers .* allow_nonfin"
        with pytest.raises(ValueError, match=message):
            load_params(path, params)
        back = load_params(path, params, allow_nonfinite=True)
        np.testing.assert_array_equal(back["a"], params["a"])


def test_what_is_no_array_is_refused_before_anything_is_written(path):
    for leaf in (jax.random.key(0), object()):
        with pytest.raises(TypeError, match=r"(?s)'a/k' is .*, no array of numbers"):
            save_params(path, {"a": {"k": leaf}})
    assert not list(path.parent.iterdir())


def test_files_of_before_are_read(path):
    """Their names are not escaped, and dtypes beyond NumPy's are raw bytes."""
    params = {"a/b": jnp.ones(2), "h": jnp.arange(3).astype(jnp.bfloat16)}
    np.savez(path, **{name: np.asarray(leaf) for name, leaf in params.items()})
    back = load_params(path, params)
    assert back["h"].dtype == jnp.bfloat16
    jax.tree.map(np.testing.assert_array_equal, back, params)
