"""What the finding of Cc2 tells beside its verdict."""

from experiments.translation.settings import ALL, SHORT
from rnnshare.tasks.data.number_words import LANGUAGES

SOLVED = 0.95  # exact match; see the rule
LABELS = {
    "Tied": "tied",
    "Untied": "untied",
}
TRAINED_ON_ALL = f"trained below {ALL:,}, on most of these numbers"


def setup(plan, chosen):
    """Returns what was trained, and how its settings were chosen."""
    rates = "; ".join(
        f"below {below:,}, {LANGUAGES[language]}, {LABELS[arm]}: {s.learning_rate:g}"
        + ("" if s.reverse_source else ", from the beginning")
        for below, languages in chosen.items()
        for language, arms in languages.items()
        for arm, s in arms.items()
    )
    some = next(iter(next(iter(chosen.values())).values()))
    sizes = "; ".join(f"{LABELS[a]} {s.num_parameters():,}" for a, s in some.items())
    return (
        f"An encoder of {plan.cell.__name__} reads the words letter by letter, and "
        "its last carry is the decoder's first, which writes digits and an end. Equal "
        f"width (H = {plan.hidden_features}; parameters: {sizes}); embeddings and "
        "read-out are the same at all steps under every sharing; untied weights start "
        "as copies of one draw. Four fifths of the numbers are trained, a tenth each "
        "validates and tests, all drawn anew for each seed. Learning rate"
        f"{' and reading direction are' if len(plan.directions) > 1 else ' is'} chosen "
        f"by validation loss, on equal budgets ({len(plan.rates)} rates, "
        f"{len(plan.directions)} directions, one seed of its own), for each language "
        f"and sharing. Chosen, read from the end unless said: {rates}."
    )


def existence(scores, exhibits):
    """Returns what the exhibits say beside the rule."""
    shown = [e for languages in exhibits.values() for e in languages.values()]
    apart = max(
        abs(
            exhibits[below][language].exact_match["Tied"]["held out"]
            - arms["Tied"].exact_match.max()
        )
        for below, languages in scores.items()
        for language, arms in languages.items()
    )
    texts = [
        "An answer is exact if each of its symbols is the likeliest one after the "
        "right symbols before it; greedy decoding, fed its own symbols, gives the "
        f"right answer just then. {len(shown)} tied translators were decoded greedily: "
        f"their exact match differs by at most {apart:.3g}, and the copies of their "
        f"weights change {sum(e.num_different for e in shown)} answers."
    ]
    if SHORT in scores:
        texts.append(_told_longer(scores[SHORT]))
        if ALL in exhibits:
            exists = min(
                e.exact_match["Untied"]["longer"] for e in exhibits[ALL].values()
            )
            texts.append(
                "Networks of the same size that do exist, tied and untied: those "
                f"{TRAINED_ON_ALL}, reach at least {exists:.3f}."
            )
    return " ".join(texts)


def _told_longer(languages):
    """Returns how translators do on longer numbers than those they were trained on."""
    best = {
        arm: max(arms[arm].longer_exact_match.max() for arms in languages.values())
        for arm in next(iter(languages.values()))
    }
    told = ", ".join(f"{LABELS[arm]} {exact:.3f}" for arm, exact in best.items())
    solved = [LABELS[arm] for arm, exact in best.items() if exact >= SOLVED]
    if solved:
        return (
            f"Translators that were trained below {SHORT:,} translate longer numbers: "
            f"{' and '.join(solved)} ones do (best {told})."
        )
    return (
        f"No translator that was trained below {SHORT:,} translates longer numbers "
        f"(best {told}): it never saw the word for a thousand."
    )


def examples(plan, exhibits):
    """Returns what the best tied translators of the first language write."""
    language, texts = plan.languages[0], []
    for below, languages in exhibits.items():
        told = [
            f"{words}: {answer} "
            f"({'right' if digits == answer else f'wrong, it is {digits}'})"
            for words, digits, answer in languages[language].examples
        ]
        longer = "held-out and then longer" if below < ALL else "held-out"
        texts.append(
            f"{len(told)} {longer} {LANGUAGES[language]} numbers, at most five wrong, "
            f"by the best tied translator trained below {below:,}: {'; '.join(told)}."
        )
    return "\n\n".join(texts)
