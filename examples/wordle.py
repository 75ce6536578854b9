"""A game of several turns: guess a word of five letters; each guess is answered with what of it is right.

    practicum rl --model runs/mine --task examples/wordle.py:Wordle --sampling.max_turns 6

After each guess the game replies with a mark for every letter: G stands in its place, Y is elsewhere in the
word, - is not in it. A game is over when the word is found or when the policy has had its turns.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from random import Random

from practicum.types import Prompt, Score

LIST = """
about above actor admit adult after again agent agree ahead alarm album alert alike alive allow alone along
alter among anger angle apart apple apply arena argue arise array aside asset audio avoid award aware badly
baker bases basic basis beach began begin being below bench birth black blame blind block blood board boost
bound brain brand bread break breed brief bring broad broke brown build built buyer cable carry catch cause
chain chair chart chase cheap check chest chief child civil claim class clean clear click clock close coach
coast could count court cover craft crash cream crime cross crowd crown curve cycle daily dance dealt death
debut delay depth doing doubt dozen draft drama drawn dream dress drill drink drive eager early earth eight
elite empty enemy enjoy enter entry equal error event every exact exist extra faith false fault field fifth
fifty fight final first fixed flash floor fluid focus force forth forty forum found frame fresh front fruit
fully funny giant given glass globe going grace grade grand grant grass great green gross group grown guard
guess guest guide happy heart heavy hence horse hotel house human ideal image index inner input issue joint
judge known label large laser later laugh layer learn lease least leave legal level light limit local logic
loose lower lucky lunch magic major maker march match maybe mayor meant media metal might minor mixed model
money month moral motor mount mouse mouth movie music needs never night noise north noted novel nurse occur
ocean offer often order other ought paint panel paper party peace phase phone photo piece pilot pitch place
plain plane plant plate point pound power press price pride prime print prior prize proof proud prove queen
quick quiet quite radio raise range rapid ratio reach ready refer right river round route royal rural scale
scene scope score sense serve seven shall shape share sharp sheet shelf shell shift shirt shock shoot short
shown sight since sixth sixty skill sleep slide small smart smile smoke solid solve sorry sound south space
spare speak speed spend spent split spoke sport staff stage stake stand start state steam steel stick still
stock stone stood store storm story strip stuck study stuff style sugar suite super sweet table taken taste
teach thank theme there thick thing think third those three throw tight today topic total touch tough tower
track trade train treat trend trial truck truly trust truth twice under union unity until upper upset urban
usage usual valid value video visit vital voice waste watch water wheel where which while white whole whose
woman world worry worse worst worth would wound write wrong yield young youth
"""
WORDS = LIST.split()


class Wordle:
    """Pays 1 for the word, else what share of the last guess stood in its place, at most a half."""

    name = "wordle"

    @dataclass(frozen=True)
    class Config:
        turns: int = 6
        """Guesses of a game."""

    def __init__(self, config: Config | None = None) -> None:
        self.turns = (config or self.Config()).turns
        self.words = {split: [word for word in WORDS if split_of(word) == split] for split in SPLITS}

    def prompts(self, split: str, count: int, seed: int) -> list[Prompt]:
        words = Random(f"wordle {split} {seed}").choices(self.words[split], k=count)
        # Every game begins alike: the word is the task's own, and no part of what the policy reads.
        return [
            Prompt("Guess a word of five letters.\n", {"word": word, "canonical": word}) for word in words
        ]

    def reply(self, prompt: Prompt, turns: tuple[str, ...]) -> str | None:
        guess, word = guess_in(turns[-1]), prompt.data["word"]
        if guess == word or len(turns) // 2 + 1 >= self.turns:
            return None
        return "not a word of five letters\n" if guess is None else f"{marks(guess, word)}\n"

    def score(self, prompts: list[Prompt], texts: list[str]) -> list[Score]:
        return [self._score(prompt, text) for prompt, text in zip(prompts, texts, strict=True)]

    def _score(self, prompt: Prompt, text: str) -> Score:
        guess, word = guess_in(text), prompt.data["word"]
        if guess is None:
            return Score(0.0, False, False, "unparseable", "no word of five letters")
        near = marks(guess, word).count("G") / 10
        outcome = "correct" if guess == word else "wrong"
        return Score(1.0 if guess == word else near, guess == word, True, outcome, f"{guess} for {word}")


SPLITS = ("train", "validation", "test")


def split_of(word: str) -> str:
    """The split of a word, by its hash: half of the words are for practice."""
    lot = hashlib.sha256(word.encode()).digest()[0] % 4
    return SPLITS[max(0, lot - 1)]


def guess_in(text: str) -> str | None:
    """The guess that a turn is: one word of five letters and nothing else."""
    word = text.strip().lower()
    return word if len(word) == 5 and word.isascii() and word.isalpha() else None


def marks(guess: str, word: str) -> str:
    """G, Y or - for every letter of a guess; a letter is Y at most as often as the word has it to spare."""
    # A letter of the word that was not hit can be found elsewhere.
    spare = Counter(right for letter, right in zip(guess, word, strict=True) if letter != right)
    found = []
    for letter, right in zip(guess, word, strict=True):
        if letter == right:
            found.append("G")
        elif spare[letter] > 0:
            spare[letter] -= 1
            found.append("Y")
        else:
            found.append("-")
    return "".join(found)
