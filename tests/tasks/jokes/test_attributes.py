from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practicum.tasks.jokes.attributes import read_attributes
from practicum.tasks.jokes.grammar import STYLES, draw_joke, rarity, tables
from practicum.tasks.jokes.material import ACTIVITIES, ACTS, ENDINGS, PLACES, REPLIES, THINGS, TRAITS
from practicum.tasks.jokes.subjects import ADJECTIVES, CATEGORY, Subject, subjects

PELICAN = Subject("pelican")
TIRED = Subject("pelican", "tired")
BANK = "why did the pelican go to the bank? it had lost interest at home."


def drawn(count, seed=0):
    random = Random(seed)
    for index in range(count):
        subject = random.choice(subjects("train"))
        yield subject, STYLES[index % 5], draw_joke(subject, STYLES[index % 5], random)


def test_the_parser_is_exact_on_everything_the_grammar_writes():
    for subject, style, joke in drawn(10_000):
        found = read_attributes(subject, joke.text)
        assert (found.style, found.subject) == (style, subject.phrase), joke.text
        assert (found.coherence, found.relevance, found.repeated_words, found.soundness) == (1, 1, 0, 1), (
            joke.text
        )
        assert 0 <= found.originality <= 1
        assert found.characters == len(joke.text)


def test_jokes_are_short_lower_case_and_thousands_of_different_ones():
    texts = [joke.text for _, _, joke in drawn(10_000)]
    assert len(set(texts)) > 9_000
    assert all(40 <= len(text) <= 175 for text in texts)
    assert sum(len(text) for text in texts) / len(texts) < 100
    assert all(text.isascii() and text == text.lower() and text.endswith(".") for text in texts)


def test_the_material_can_be_taken_apart_again():
    texts = [text for activity in ACTIVITIES for text in activity[:4]]
    texts += [*THINGS, *REPLIES, *ENDINGS, *ACTS, *(line for _, lines in TRAITS for line in lines)]
    texts += [word for pair in PLACES for word in pair]
    for text in texts:
        assert ". " not in text, text
        assert text not in ACTS or (" and " not in text and " that " not in text), text
        # A subject's own noun in a punch line would be taken for the subject.
        assert not set(text.split()) & set(CATEGORY), text


def test_no_punch_line_belongs_to_two_styles_of_the_same_set_up():
    for pronoun in ("it", "she", "he"):
        for part, readings in tables(pronoun).closings.items():
            keys = [(reading.key, reading.form) for reading in readings]
            assert len(keys) == len(set(keys)), part
            assert not {"pun", "plain"} <= {reading.form for reading in readings}, part


@pytest.mark.parametrize(
    ("text", "style", "coherence"),
    [
        (BANK, "pun", 1),
        (BANK.upper(), "pun", 1),
        ("  why did the pelican\n go to the bank?  it had lost interest at home. ", "pun", 1),
        ("why did the pelican go to the bank? it really kneaded the dough.", "pun", 0.5),
        ("it had lost interest at home.", "none", 0.125),
        ("why did the pelican go to the bank?", "none", 0.25),
        ("pelican pelican the the the", "none", 0),
        ("", "none", 0),
    ],
)
def test_structure_is_graded(text, style, coherence):
    found = read_attributes(PELICAN, text)
    assert found.style == style
    assert found.coherence == pytest.approx(coherence, abs=0.05)


def test_a_started_joke_counts_for_more_than_scrambled_words():
    scores = [
        read_attributes(PELICAN, text).coherence
        for text in (
            BANK,
            "why did the pelican go to the bank? it really kneaded the dough.",
            "why did the pelican go to the bank? it had lost",
            "why did the pelican go to the shop? it had lost a coin.",
            "bank the to go pelican the did why? home at interest lost had it.",
        )
    ]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 5


def test_relevance_asks_for_noun_and_adjective():
    assert read_attributes(PELICAN, BANK).relevance == 1
    assert read_attributes(TIRED, BANK).relevance == 0.7
    assert read_attributes(TIRED, BANK.replace("pelican", "tired pelican")).relevance == 1
    assert read_attributes(TIRED, BANK.replace("pelican", "purple walrus")).relevance == 0
    assert read_attributes(PELICAN, "nobody went to the bank.").relevance == 0
    assert read_attributes(PELICAN, "the pelicans went to the bank.").relevance == 0


@pytest.mark.parametrize(
    ("text", "least"),
    [("pelican pelican the the the", 0.5), ("the pelican " * 20, 0.8), (f"{BANK} {BANK}", 0.3), (BANK, 0)],
)
def test_repetition_is_found_however_it_is_done(text, least):
    repetition = read_attributes(PELICAN, text).repeated_words
    assert repetition >= least
    assert (repetition == 0) == (least == 0)


def test_common_fillings_are_less_original_than_rare_ones():
    common, rare = (
        read_attributes(PELICAN, f"the pelican {activity.past}. {activity.pun.format(it='it', its='its')}.")
        for activity in (ACTIVITIES[0], ACTIVITIES[-1])
    )
    assert common.originality == 0
    assert rare.originality == pytest.approx(1)
    assert [rarity(index, 8) for index in (0, 1, 7)] == pytest.approx([0, 1 / 3, 1])


def test_pronouns_and_articles_must_agree():
    doctor = Subject("doctor")
    assert read_attributes(doctor, BANK.replace("pelican", "doctor").replace(" it ", " she ")).coherence == 1
    assert read_attributes(doctor, BANK.replace("pelican", "doctor")).coherence < 1
    assert (
        read_attributes(Subject("otter"), "i know an otter so polite that it thanks the rain.").coherence == 1
    )
    assert (
        read_attributes(Subject("otter"), "i know a otter so polite that it thanks the rain.").coherence < 1
    )


def test_a_subject_of_ones_own_choice_is_understood():
    text = "why did the wombat go to the bank? it had lost interest at home."
    assert read_attributes(Subject("wombat"), text).soundness == 1


def test_an_unfinished_text_is_half_as_sound():
    whole, cut = read_attributes(PELICAN, BANK), read_attributes(PELICAN, BANK[:-1])
    assert not cut.finished
    assert cut.soundness < whole.soundness / 2


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(max_size=1500),
        st.lists(
            st.sampled_from([*"@.?,", "pelican", "the", "a", "an", "why", "did", "bank", "and", "that", "so"])
        ).map(" ".join),
    )
)
def test_any_text_gets_attributes_within_their_ranges(text):
    found = read_attributes(TIRED, text)
    for name in ("coherence", "relevance", "repeated_words", "originality", "brevity", "soundness"):
        assert 0 <= found.json()[name] <= 1
    assert found.style in (*STYLES, "none")


def test_adjectives_and_traits_are_different_words():
    assert not set(ADJECTIVES) & {trait for trait, _ in TRAITS}
