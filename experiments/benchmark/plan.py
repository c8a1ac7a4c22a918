"""What each preset of the benchmark races: shapes are (B, T, D, H)."""

CELLS = ("lstm", "gru", "elman")
RACES = ("tied", "memory", "untied", "compile", "study")
SHAPES = ((32, 100, 32, 64), (1, 256, 64, 256), (64, 256, 64, 256), (64, 784, 1, 128),
          (16, 500, 64, 512))  # fmt: skip
PLANS = {
    "smoke": {"shapes": ((2, 6, 3, 4),), "rounds": 2, "steps": (2, 4), "study": (2, 4)},
    "quick": {"shapes": SHAPES, "rounds": 7, "steps": (16, 64, 128, 256, 512),
              "study": (8, 300)},
    "full": {"shapes": SHAPES, "rounds": 15, "steps": (16, 64, 128, 256, 512, 1024),
             "study": (8, 300)},
}  # fmt: skip
COMPILE_SHAPE = (8, 16, 32)  # B, D, H
MOST_UNROLLED = 128  # steps of a program unrolled in Python
