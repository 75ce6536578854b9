"""The closed vocabulary of answers: what may be said beside the numbers, and what is never skipped.

A table holds phrases in a small notation: `(a|b)` is a choice, `c?` may be left out, `~x` stands for the
unknown, `~r` for the set of real numbers. A word that is in no table makes an answer unreadable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property

from practicum.exact.expression import word_set

UNKNOWN, REALS = "~x", "~r"

_PART = re.compile(r"[()|?]|[^()|?\s]+")


class Phrases:
    """A set of phrases, found at a place in a sequence of words by the longest that fits.

    The patterns become a finite automaton over words; its states are sets of places in the patterns and are
    made when they are first reached.
    """

    def __init__(self, *patterns: str) -> None:
        self._patterns = patterns
        self._steps: list[tuple[str, int]] = []  # place -> the word to read there, and the place behind it
        self._jumps: list[list[int]] = []  # place -> places that can be gone to without a word
        self._known: dict[tuple[frozenset[int], str], frozenset[int]] = {}
        self._end = self._place()

    @property
    def words(self) -> frozenset[str]:
        """Every word of the patterns."""
        return frozenset(part for pattern in self._patterns for part in _PART.findall(pattern)) - set("()|?")

    @cached_property
    def _start(self) -> frozenset[int]:
        return self._closure([self._compile(_PART.findall(pattern)) for pattern in self._patterns])

    def match(self, words: Sequence[str], start: int) -> int:
        """How many words from `start` on the longest phrase takes; 0 where none fits."""
        places, longest, known = self._start, 0, self._known
        for index in range(start, len(words)):
            key = places, words[index]
            following = known.get(key)
            if following is None:
                following = known[key] = self._after(*key)
            if not following:
                break
            places = following
            if self._end in places:
                longest = index + 1 - start
        return longest

    def _after(self, places: frozenset[int], word: str) -> frozenset[int]:
        return self._closure([self._steps[place][1] for place in places if self._steps[place][0] == word])

    def _closure(self, places: Iterable[int]) -> frozenset[int]:
        found: set[int] = set()
        waiting = list(places)
        while waiting:
            place = waiting.pop()
            if place not in found:
                found.add(place)
                waiting += self._jumps[place]
        return frozenset(found)

    def _place(self, word: str = "", behind: int = 0) -> int:
        self._steps.append((word, behind))
        self._jumps.append([])
        return len(self._steps) - 1

    def _compile(self, parts: list[str]) -> int:
        """Add a pattern; the place where it starts."""
        start, rest = self._choice(parts, 0, self._end)
        assert rest == len(parts), f"a bracket too many in {' '.join(parts)!r}"
        return start

    def _choice(self, parts: list[str], index: int, end: int) -> tuple[int, int]:
        """Alternatives up to a closing bracket or the end: the place where they start, the index behind."""
        start = self._place()
        place = self._place()
        self._jumps[start].append(place)
        while index < len(parts) and parts[index] != ")":
            part = parts[index]
            if part == "|":
                self._jumps[place].append(end)
                place = self._place()
                self._jumps[start].append(place)
                index += 1
                continue
            behind = self._place()
            if part == "(":
                first, index = self._choice(parts, index + 1, behind)
            else:
                first = self._place(part, behind)
            index += 1
            self._jumps[place].append(first)
            if index < len(parts) and parts[index] == "?":
                self._jumps[place].append(behind)
                index += 1
            place = behind
        self._jumps[place].append(end)
        return start, index


# -- numbers in words --------------------------------------------------------------------------------------

_UP_TO_TWELVE = "zero one two three four five six seven eight nine ten eleven twelve"
NUMBERS = {word: value for value, word in enumerate(_UP_TO_TWELVE.split())} | {
    "zwei": 2, "deux": 2, "dos": 2, "duas": 2, "dois": 2, "два": 2, "две": 2, "twee": 2, "dwa": 2,
    "drei": 3, "trois": 3, "tres": 3, "três": 3, "три": 3, "drie": 3, "trzy": 3,
}  # fmt: skip
PARTS = {
    "half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4, "fourths": 4,
    "fifth": 5, "fifths": 5, "sixth": 6, "sixths": 6, "seventh": 7, "sevenths": 7, "eighth": 8, "eighths": 8,
    "ninth": 9, "ninths": 9, "tenth": 10, "tenths": 10,
}  # fmt: skip
SPELLED = {
    ("plus", "or", "minus"): ("±", "±"),
    ("minus", "or", "plus"): ("∓", "∓"),
    ("plus",): ("+", "+"),
    ("minus",): ("-", "-"),
    ("negative",): ("-", "-"),
    ("times",): ("*", "*"),
    ("divided", "by"): ("/", "/"),
    ("square", "root", "of"): ("sqrt", "sqrt"),
    ("cube", "root", "of"): ("cbrt", "cbrt"),
    ("cubic", "root", "of"): ("cbrt", "cbrt"),
}
"""Words that are signs, with the kind and the text of the token they become."""

# -- joining -----------------------------------------------------------------------------------------------

OR = Phrases(
    "(or|oder|oppure|lub|albo|ή|veya|eller|vagy|hoặc|ou|o|или|або|of|或|或者|または|もしくは|又は|또는)"
)
AND = Phrases(
    "och|og|ve|và|și",
    "(and|as well as|along with|together with|und|et|y|e|и|en|и|和|与|與|及|以及|と|および|및|와)",
)
BUT = Phrases("(but|however|whereas|while|yet)")
SO = Phrases(
    "(so|thus|hence|therefore|consequently|accordingly|meaning|implying|which implies|this implies) that?",
    "(which|this) (means|shows|implies) that?",
    "(so|thus|hence|and)? (we|you|one) (then)? (get|have|find|obtain|conclude|see|arrive at) that?",
    "(so|and|thus|hence)? (which|this|it|that) (then)? (gives|yields|leads to|results in|simplifies to) "
    "(us)?",
    "(and|thus|hence|so)? (giving|yielding|leading to|resulting in) (us)?",
    "(which)? (leaves|leaving) (us)? (only|with|with only)?",
    "it follows that", "(that is|ie|namely)", "as a (result|consequence)", "from which|whence",
    "(also|folglich|daher|somit|donc|alors|luego|entonces|logo|portanto|quindi|dunque|следовательно|значит)",
    "(所以|因此|故|解得|得|得到|则|よって|したがって|ゆえに)",
)  # fmt: skip
BECAUSE = Phrases(
    "(because|since|as|given that|due to|owing to|seeing that|the reason is that|reason is that|reason)",
    "(da|weil|denn|car|puisque|parce que|porque|ya que|pues|puesto que|dado que|pois|já que|perché|poiché)",
    "(так как|поскольку|потому что|因为|因為|由于|由於)",
)

# -- in front of an answer ---------------------------------------------------------------------------------

_EQUATION = (
    "(the|this|that|our|a)? (given|original|above|quadratic|linear|rational|radical|absolute "
    "value|polynomial|"
    "first|following)? (equation|problem|polynomial|quadratic|expression)"
)
LEADS = Phrases(
    "then|finally|overall|clearly|indeed|yes|okay|ok|sure|both|either|exactly|precisely|simply|just|here|"
    "verified|checked|solved|now",
    "in (conclusion|summary|short|total|fact|either case|both cases|this case|all)",
    "to (conclude|summarize|sum up)",
    "(by|after|on|upon|through|from|using|via) "
    "(factoring|factorising|factorizing|factorisation|factorization|"
    "solving|simplifying|checking|substitution|inspection|rearranging|squaring|verification|vieta)",
    "(by|using|with|from|via) (the)? (quadratic formula|abc formula|pq formula|formula|factor theorem|"
    "zero product property|vieta's formulas|square root property)",
    "(by|after) (completing the square|cross multiplying|clearing (the)? (denominators|fractions))",
    "(by|after|on|upon)? (solving|factoring|simplifying) (this|the|our|it) equation? (gives|yields)?",
    "(solving|factoring|simplifying|squaring|substituting) (gives|yields|leads to)",
    "solve for ~x", "solving for ~x (gives|yields)?",
    "(it|this|that) is", "it's|that's|they're", "(they|these|those) are",
    "there (is|are) (only|exactly)?", f"{_EQUATION} has", f"in {_EQUATION}", f"for {_EQUATION}",
    "it has", "(which)? has", "i (get|got|have|find|found|obtain)",
    f"{_EQUATION} (is|becomes)? (true|satisfied|fulfilled|valid)? (only|exactly|precisely)? "
    f"(for|when|if|at|by)",
    f"{_EQUATION} (holds|works) (only|exactly|precisely)? (for|when|if|at)",
    f"{_EQUATION} is (only)? satisfied (only|exactly|precisely)? (for|when|if|at|by)",
    "(true|satisfied|holds|valid) (only|exactly|precisely)? (for|when|if|at|by)",
    f"(only)? (satisfies|solves) {_EQUATION}",
    "(答|答案|答案是|答案为|解|答え|答えは|解は|方程的解为|方程的解是|方程的解|解为|解是|原方程的解为|원래|답|답은|해는)",
    f"{_EQUATION} (factors|factorises|factorizes|can be factored|can be written) (as|into)",
    "(decision|conclusion|verdict)",
    "die gleichung hat", "l'équation a", "la ecuación tiene", "a equação tem", "l'equazione ha",
    "уравнение имеет",
)  # fmt: skip
HAVING = {"has", "hat", "a", "tiene", "tem", "ha", "имеет"}
"""Ends of leads behind which a number may say how many there are."""
BEFORE_EQUATIONS = Phrases(
    f"(for|in|given|from|by|after|on|upon)? (solving|simplifying|factoring)? {_EQUATION}",
    "(for|given|from)", "(by|after|on|upon)? (solving|simplifying|factoring)",
)  # fmt: skip
BEHIND_EQUATIONS = Phrases(
    "gives|yields|leads to|results in|has", "we (get|have|find|obtain)", "i (get|have|find|obtain|got|found)",
)  # fmt: skip
ONLY = Phrases("only|just", "the only")
CASE = Phrases("case|part|step|option")

# -- nouns -------------------------------------------------------------------------------------------------

DETERMINERS = Phrases(
    "the|its|my|our|your|these|those|all|both|only|a|an|die|der|das|de|het|les|la|le|l|las|los|el|os|as|o|i|gli|le",
    "(the|its) (only|two|three|four)", "all (of)? (the|its|our|these)", "both (of)? (the|its|these)",
    "(exactly|precisely|only|just)", "the complete|the full|the entire",
    "the one and only", "(the|its)? only possible", "all (the)? possible", "these two|these three",
)  # fmt: skip
ADJECTIVES = Phrases(
    "real|distinct|different|unique|single|valid|exact|final|correct|only|double|repeated|actual|true|"
    "required|complete|equal|coincident|simple|full|general|resulting|genuine|real-valued|"
    "identical|numerical|right|proper|allowed|admissible|same|acceptable|triple|"
    "única|único|unica|unico|einzige|seule|seul|единственное|единственный|reelle|reellen|reelles|réelle|"
    "réelles|reales|real|reais|reali|реальные|действительные|вещественные|действительный|вещественный",
    "(of|with) multiplicity two",
)  # fmt: skip
_THE_ONLY = ["única", "único", "unica", "unico", "einzige", "seule", "seul", "единственное", "единственный"]
ONE_OF_A_KIND = frozenset(["unique", "single", "double", "repeated", "triple", "only", *_THE_ONLY])
"""Adjectives with which a noun in the singular names all: "a single solution, x = 2"."""
COINCIDING = frozenset(["equal", "coincident", "identical", "same", "repeated", "coinciding"])
"""Adjectives with which two roots are one number."""
CANDIDATES = Phrases(
    "(the|both|two|our|all)? (candidates|candidate)",
    "(the|both|two|our|all)? (possible|potential|candidate) "
    "(real)? (solutions|roots|answers|zeros|solution|root|answer)",
)  # fmt: skip
ONE_CANDIDATE = Phrases(
    "(the)? (other|second|first|remaining|possible|potential)? (candidate|value|possibility|one)",
    "(the)? (candidate|possible|potential|other) (solution|root|value)",
)
ACCEPTS = Phrases(
    "(the)? (valid|accepted|acceptable|admissible|kept|genuine|good|correct|true)",
    "(we|i|and|so)? (accept|accepting|keep|keeping) (only)?",
)  # fmt: skip
PART_OF_ALL = Phrases(
    "(the|a|and the)? (first|second|third|fourth|other|smaller|larger|lesser|greater|positive|negative) "
    "(real)? (solution|root|zero|answer|value|one|solution is|root is)?", "one|another", "(the|an)? other",
    "(one|another) (real)? (solution|root|zero|value)",
)  # fmt: skip
OF_NUMBERS = frozenset(
    ["both", "all", "they", "real", "solution", "solutions", "root", "roots", "value", "valid"]
)
"""Words that say something of numbers, which there must be."""
PARTS_OF_ALL = word_set(
    """
    first second third fourth one other another smaller larger lesser greater positive negative
    """
)
ACCEPTING = frozenset(["accept", "accepting", "keep", "keeping"])
SINGULAR = frozenset(["solution", "root", "zero", "answer", "value"])
_NEARLY_A_NUMBER = "(real)? (number|value)? (number|value)?"
SIGN_OF = {
    "≥": Phrases(f"(a|any)? nonnegative {_NEARLY_A_NUMBER}", "not negative", "(zero|0) or positive",
                 "positive or (zero|0)"),
    "≤": Phrases(f"(a|any)? nonpositive {_NEARLY_A_NUMBER}", "(zero|0) or negative", "negative or (zero|0)"),
    ">": Phrases(f"(a|any)? (strictly)? positive {_NEARLY_A_NUMBER}"),
    "<": Phrases(f"(a|any)? (strictly)? negative {_NEARLY_A_NUMBER}"),
}  # fmt: skip
NARROWING = frozenset(
    [
        "unique",
        "single",
        "double",
        "repeated",
        "triple",
        "simple",
        "distinct",
        "different",
        "equal",
        "coincident",
        "identical",
        "only",
        *_THE_ONLY,
    ]
)
"""Adjectives of which "none" would leave others: "unique solution: none"."""
NOUNS = Phrases(
    "(solution|root|zero|x)? set (of)? (real)? (all)? (solutions|roots)?", "truth set",
    "solution|solutions|root|roots|zero|zeros|zeroes|answer|answers|value|values|result|results|soln|solns|sol|"
    "sols|ans|number|numbers|solutionset|x-value|x-values|intersections",
    "set of (all)? (real)? (solutions|roots|values|zeros)", "real numbers?", "output",
    "possible (value|values)",
    "value of the unknown",
    "(lösung|lösungen|lösungsmenge|antwort|ergebnis|solución|soluciones|respuesta|resultado|solução|soluções|"
    "resposta|soluzione|soluzioni|risposta|réponse|résultat|resultat|raíces|raízes|racines|radici|"
    "wurzeln|rozwiązanie|rozwiązania|rozwiązaniem|rozwiązaniami|pierwiastek|pierwiastki|"
    "đáp số|đáp án|nghiệm|ответ|решение|решения|корни|корень|nullstellen|oplossing|oplossingen|antwoord)",
)  # fmt: skip
OF = Phrases(
    f"(of|to|for|in) {_EQUATION}", "(of|for|to) ~x", "(in|over|for|within) ~r", "over the (reals|real "
    "numbers)",
    "in the (set of)? (reals|real numbers)", "in (the)? real numbers",
    f"(that|which) (satisfy|satisfies|solve|solves|work|works in|make|makes) {_EQUATION} (true)?",
    f"satisfying {_EQUATION}", f"that (make|makes) {_EQUATION} true", "that (satisfy|satisfies) it",
    "of this", "to this",
    "(der|dieser) gleichung", "de (l'équation|la ecuación)", "da equação", "dell'equazione", "уравнения",
    "(of|to|for) (the|this)? system",
)  # fmt: skip
OF_THAT = Phrases(
    "of|to|for", "(that|which) (satisfies|satisfy|solves|solve|makes|make)", "satisfying|solving"
)
TRUE = Phrases("true|hold")
COPULAS = Phrases(
    "(is|are) (then|thus|therefore|hence|given by|simply|just|exactly|precisely|only|both|either|equal to|"
    "the following|as follows|all|indeed|now)?",
    "equals|equal", "(can|could|may|must|has to|have to|should) (only|either)? be (either|equal to)?",
    "(can|may) (only)? equal", "which (is|are)|namely",
    "comes out (as|to be)?|come out (as|to be)?", "turns out to be",
    "(takes|take|has|have|can take|may take|can only take|can have) (on)? (only)? (the)? (value|values)",
    "has (value|values)", "consists of",
    "belongs to|lies in|is in|are in|is an element of|is one of|is either", "(is|are) found to be",
    "to be", "in", "jest|są|là", "ist|sind|lautet|lauten|est|sont|es|son|é|são|è|sono|является|равен|равны",
    "(puede|pode|può|kann|может) (ser|essere|быть)?|peut être",
    "at|when|where",
    "(为|是|は|은|는|です)",
)  # fmt: skip
SUM_NOUNS = Phrases(
    "(the|their|its|a)? (total|sum) (of)? (all)? (the|its|these|those|both|two)? (two|three)? "
    "(real|distinct|unique)? "
    "(real|distinct)? (solutions|roots|zeros|values|numbers|answers)?",
    "(the|their)? sum total", "(which|they|these)? (sum|add|adds|sums) (up)? to",
    "(the)? (roots|solutions) (sum|add) (up)? to", "(adding|summing) (up)? to",
    "(adding|summing) (them|these)? (up)? (gives|yields)?", "(whose|with) (the)? sum (of)?",
    "(the)? (solutions'|roots') sum", "∑|sigma",
)  # fmt: skip

# -- behind an answer --------------------------------------------------------------------------------------

_NOUN_PHRASE = (
    "(the|a|an|its|both|all)? (only|two|three)? "
    "(real|valid|double|correct|unique|exact|repeated|distinct|true)? "
    "(real)? (solution|solutions|root|roots|answer|answers|zero|zeros|values)"
)
HOLDS = Phrases(
    f"(is|are|being|as) (both|indeed|all|also)? {_NOUN_PHRASE}",
    f"(is|are|as) (both|indeed|all)? {_NOUN_PHRASE} (of|to|for|in) {_EQUATION}",
    f"(is|are) {_NOUN_PHRASE} in ~r",
    "(is|are) (both|indeed|all)? "
    "(valid|correct|acceptable|allowed|fine|verified|accepted|good|real|right|ok|okay|"
    "in the domain|admissible|solutions|true|distinct)",
    "(both|all|each|it|this|that|they|which|these)? (do|does|indeed)? (work|works|check|checks) (out)?",
    f"(both|all|it|they|each|this|these|which)? (satisfy|satisfies|solve|solves|fulfill|fulfills) "
    f"({_EQUATION}|it)",
    "(both|all) (are)? (valid|ok|okay|correct|verified|fine|real|accepted|acceptable|distinct|good)",
    f"(both|all|they|it|these|this|which) (is|are) (both|all)? (valid|correct|real|distinct|{_NOUN_PHRASE})",
    f"(and)? (both|all) (of)? (them|these|values|solutions|roots)? (are valid|work|check|check out|are "
    f"correct|"
    f"are solutions|satisfy {_EQUATION})",
    "and nothing else|only|and no others|and no other|exactly|respectively|as required|twice|remains|remain|"
    "each|checked|verified|valid|ok|okay|works|accepted|correct|real|exact|done|qed|too|double|repeated",
    "(the|a|as a|as the|as)? (double|repeated|unique|single|only|triple|simple|valid|real|one|distinct)? "
    "(real)? "
    "(root|roots|solution|solutions|value|answer|zero)",
    "(is|has|with|of)? (a)? (algebraic)? (multiplicity|mult) (of)? (one|two|three|four)?",
    "counted (once|twice|with multiplicity)", "with (algebraic)? multiplicity",
    "(is|a)? (not extraneous|not excluded|not zero)", "in the domain", "within the domain", "inside the "
    "domain",
    "(by|via|through|using|from|after|on) (factoring|factorising|factorizing|factorisation|factorization|"
    "solving|simplifying|checking|substitution|inspection|rearranging|squaring|vieta|"
    "the quadratic formula|quadratic formula|completing the square|the zero product property)",
    f"(in|for|of|to) {_EQUATION}", "in ~r", "over ~r", "over the (reals|real numbers)", "(for|of) ~x",
    "is true", "holds", "is satisfied", "at the same time",
    f"(make|makes) {_EQUATION} true", "in simplest form", "in exact form", "exactly", "in total",
    "simplified", "(is|are) (the|its)? (complete)? (solution set|set of solutions|solution)",
    "lösungen|soluciones|решения", "です|である|。", "✓",
    "(raíz|solución|raiz|raízes) (doble|dupla|duplas)|(racine|solution) double|(radice|soluzione) doppia",
    "(doppelte|zweifache) (lösung|nullstelle)|(двойной|кратный) корень|重根|二重根",
    "i hope it is correct", "重解", "doble|doppelt|zweifach|doppia|dupla",
)  # fmt: skip
FAILS = Phrases(
    "(is|are|being|was|were) (an|a|the|both|all|just|only)? (extraneous|rejected|invalid|excluded|discarded|"
    "inadmissible|spurious|false|undefined|forbidden|impossible|disallowed|eliminated|ruled out|thrown "
    "out|outside "
    "(of)? the domain|out of the domain|not in the domain|not valid|not allowed|not permitted|not admissible|"
    "not acceptable|not defined|not possible|not real|not in (the)? domain|no solution|no root)",
    "(is|are) (an|both)? (extraneous|spurious|invalid|false|rejected|excluded) "
    "(root|roots|solution|solutions|value|"
    "values)",
    f"(is|are) (not|no) (a|an|the)? (valid|real|true|actual)? (solution|solutions|root|roots|answer) "
    f"(of|to)? ({_EQUATION})?",
    "(isn't|aren't) (a|an)? (valid|real|true|actual)? (solution|solutions|root|roots|allowed|valid|"
    "in the domain|defined)",
    "(must|should|has to|have to|can|needs to) be (rejected|discarded|excluded|thrown out|ruled "
    "out|eliminated|ignored)",
    f"(does|do) not (work|check|check out|satisfy|satisfy {_EQUATION}|fulfill "
    f"{_EQUATION}|exist|count|satisfy it|"
    "belong to the domain|lie in the domain)?",
    f"(doesn't|don't) (work|check|check out|satisfy|satisfy {_EQUATION}|fulfill {_EQUATION}|satisfy "
    f"it|exist|count)?",
    f"(fails|fail) (to satisfy {_EQUATION}|the check|to check)?",
    "(makes|make|making|would make) (the|a|one|both)? (original|first|left|right)? "
    "(denominator|denominators) "
    "(zero|0|vanish|equal (zero|0)|equal to (zero|0)|undefined)",
    "(makes|make|gives|give|leads to|causes) (a)? (division by (zero|0)|zero denominator|zero in the "
    "denominator)",
    f"(makes|make) ({_EQUATION}|it|both sides|the left side|the fraction|the fractions) undefined",
    "(cannot|can't) be (a|the)? (solution|root|accepted|used|allowed|valid)",
    "(is|are) not", "isn't|aren't", "extraneous|rejected|invalid|excluded|discarded|inadmissible|spurious|"
    "disallowed|❌|✗|✘|×",
    "(an|as)? (extraneous|spurious|invalid) (root|solution|value)",
    "not (valid|allowed|a solution|a root|a valid solution|possible|in the domain|in "
    "domain|real|admissible|accepted|"
    "acceptable|defined|permitted|a real solution|satisfying the equation)",
    "outside (of)? (the)? domain", "out of (the)? domain", "undefined",
    "(division by (zero|0)|zero denominator)",
    "(rejected|discarded|excluded|dismissed|ruled out)? as (an)? (extraneous|invalid|spurious|inadmissible) "
    "(root|solution|value)?",
    # German
    "(ist|sind)? (eine|nur eine)? (scheinlösung|scheinlösungen) (ist|sind)?",
    "(ist|sind)? (keine|nicht) (lösung|lösungen|zulässig|definiert|erlaubt) (ist|sind)?",
    "(liegt|ist)? nicht (im|in der) (definitionsbereich|definitionsmenge) (liegt|ist)?",
    "(entfällt|entfallen|scheidet aus|ausgeschlossen)", "die probe nicht (besteht|erfüllt)",
    # French
    "est (une)? valeur interdite", "(est|sont) (exclue|exclues|exclu|rejetée|rejetées|à rejeter)",
    "ne (vérifie|vérifient|satisfait|satisfont) pas l'équation",
    "ne (convient|conviennent) pas", "n'est pas (une)? (solution|valable|valide|acceptable|définie)",
    # Spanish
    "no (es|son) (una)? (válida|válidas|válido|solución|soluciones|aceptable|admisible)",
    "no (cumple|cumplen|satisface|satisfacen|verifica|verifican) (la ecuación)?",
    "(es|son) (una|soluciones|raíces)? (solución|raíz)? (extraña|extrañas|espuria|falsa)",
    "se (descarta|descartan|rechaza|rechazan)", "no pertenece al dominio",
    # Portuguese
    "não (é|são) (uma)? (válida|válidas|solução|soluções|aceitável|raiz)",
    "não (satisfaz|satisfazem|verifica|serve|convém) (a equação)?", "não pertence ao domínio",
    "(é|são) (uma)? (raiz|solução)? (estranha|estranhas|descartada|rejeitada)",
    # Italian
    "non (è|sono) (una)? (accettabile|accettabili|valida|valide|soluzione|soluzioni)",
    "non (soddisfa|soddisfano|verifica) (l'equazione)?", "non (appartiene al|è nel) dominio",
    "(è|sono) (una)? (soluzione)? (estranea|estranee|spuria|da scartare|da escludere)",
    # Russian
    "(это)? посторонний корень", "не (подходит|подходят)", "не (является|являются) (решением|корнем|корнями)",
    "не (удовлетворяет|удовлетворяют) (уравнению|одз)", "не входит в одз", "не (принадлежит|лежит в) одз",
    # Chinese and Japanese
    "(是增根|为增根|為增根|增根|舍去|捨去|应舍去|應捨去|不合题意|不合題意|不是解|不是根|不满足|不滿足)",
    "(は不適|は解ではない|は不適である|は無縁解|は無縁根)",
)  # fmt: skip
REJECTS = Phrases(
    "(and|we|but|by|after|while|i|you)? (then|must|can|should|also)? "
    "(reject|rejecting|rejected|discard|discarding|"
    "discarded|exclude|excluding|excluded|disregard|disregarding|eliminate|eliminating|ruling out|rule out|"
    "omit|omitting|throw out|throwing out|dismiss|dismissing|ignore|ignoring) (the)? "
    "(extraneous|invalid|negative|"
    "positive|other|spurious|false)? (root|roots|solution|solutions|value|values|candidate|one|case)?",
    "(the|an|with|and)? (extraneous|spurious|invalid|rejected|excluded|discarded|false) "
    "(root|roots|solution|solutions|"
    "value|values|candidate|candidates|ones)? (is|are|at)?",
    "extraneous|rejected|excluded|discarded", "not", "and not", "but not",
    "(scheinlösung|scheinlösungen)", "(solution|racine) (étrangère|parasite|rejetée)",
    "(solución|raíz) (extraña|espuria)", "(solução|raiz) estranha", "(soluzione|radice) (estranea|spuria)",
    "посторонний корень|增根|無縁解|無縁根",
)  # fmt: skip

# -- no solution -------------------------------------------------------------------------------------------

_LACKED = (
    "(solution|solutions|root|roots|zero|zeros|zeroes|soln|solns|sol|sols|real numbers|real number|"
    "real values|real value|real answer|real answers|solution set)"
)
_LACKED_ADJECTIVE = "(real|valid|possible|real valid|valid real|such|actual|real-valued|real or valid)"
_WORKS = (
    f"(that|which)? (satisfies|satisfy|solves|solve|works|work|exists|exist|fulfills|will work|"
    f"can satisfy|could satisfy|makes|make) (in|this|it|{_EQUATION}|the condition)? (true|equal|work)?"
)
NOTHING_THERE = Phrases("(does not|doesn't|do not|don't) exist")
NO_SOLUTION = Phrases(
    f"(no)? (there (is|are|exist|exists)|{_EQUATION} has|it has|has|we have|there's|~x has|with|having|we "
    f"get|we find|i get|"
    f"it possesses)? (absolutely)? (no|zero|0) {_LACKED_ADJECTIVE}? "
    f"(solution|solutions|root|roots|zero|zeros|"
    f"zeroes|soln|solns|sol|sols) "
    f"(exist|exists|at all|whatsoever|here|possible|can exist)?",
    "(there (is|are)|we have|has|there's)? (no|zero) real (number|numbers|value|values|answer|answers|~x) "
    "(exist|exists|at all)?",
    f"no (real|possible|valid|such)? (number|numbers|value|values|value of ~x|values of ~x|~x|values for "
    f"~x) {_WORKS}",
    "no such (~x|number|value|real number)", "(there is|there's) no such (~x|number|value|real number)",
    "never",
    f"(there (is|are)|there's|there exists) no (real|possible|valid)? (number|numbers|value|values|value "
    f"of ~x|"
    f"values of ~x|~x|values for ~x|~x value|~x values) (for which {_EQUATION} (holds|is true|is satisfied)|"
    f"such that {_EQUATION} (holds|is true|is satisfied)|{_WORKS})",
    f"(there (is|are|exist|exists|does|do) not|there (isn't|aren't|doesn't exist|don't exist)|"
    f"(it|{_EQUATION}|we|~x)? (does not|doesn't|do not|don't|will not|won't|cannot|can't) have|hasn't) "
    f"(exist)? "
    f"(a|any|any real|a real|real|any valid|a single real|even one real)? {_LACKED} (exist)?",
    f"(it|{_EQUATION})? has not (a|any|got any) (real)? {_LACKED}",
    f"(a|the|any)? (real)? {_LACKED} (of {_EQUATION}|to {_EQUATION})? (does not|doesn't|do not|don't) exist",
    "~x (does not|doesn't) exist (in ~r)?",
    "none (exist|exists|at all|real|of them|in ~r|whatsoever)?", "nothing", "dne",
    "(is|it is|~x is)? (the)? (empty|null|void) set", "(the|its|our)? (solution|truth)? set (is|of "
    "solutions is) "
    "(empty|the empty set|null|an empty set|the null set|void)", "(it|this|that) is (the)? empty set",
    "empty",
    f"(it|this|that|{_EQUATION})? (is)? (never|not|not ever) "
    f"(true|satisfied|possible|solvable|fulfilled|valid)",
    f"(it|{_EQUATION})? (never|cannot|can't|can never) (holds|hold|be true|be satisfied|be solved|be "
    f"fulfilled) "
    "(in ~r|over ~r|over the reals|for real numbers|for any real ~x|for any ~x)?",
    f"(it|this|that|{_EQUATION})? (is|leads to|we get|which is|this is)? "
    f"(impossible|inconsistent|unsolvable|unsolveable|"
    f"insoluble|insolvable|(a)? contradiction|contradictory|unsatisfiable)",
    f"{_EQUATION} is (false|not true) for (all|every|any) (real)? (~x|values of ~x|number)",
    "(false|not true) for (all|every|any) (real)? ~x",
    f"(~x|{_EQUATION}|it)? cannot be (satisfied|solved|true) (by any real number|for any real ~x|for any "
    f"~x)?",
    "ns",
    # German
    "(es gibt|die gleichung hat|diese gleichung hat|hat|sie hat|es existiert|es existieren|besitzt|"
    "die gleichung besitzt)? (keine|keinerlei|keine einzige) (reelle|reellen|reelen|gültige)? "
    "(lösung|lösungen|nullstelle|"
    "nullstellen|wurzel|wurzeln)", "(die gleichung ist|ist)? (unlösbar|nicht lösbar|unerfüllbar|nie erfüllt)",
    "(die)? leere menge", "(die)? lösungsmenge ist (leer|die leere menge)", "(es gibt)? kein (reelles)? ~x",
    # French
    "(il n'y a|il n'existe|l'équation n'a|elle n'a|cette équation n'a|l'équation n'admet|elle "
    "n'admet|n'a|n'admet|"
    "l'équation ne possède|cette équation n'admet)? "
    "(pas de|aucune|pas|aucun) (solution|solutions|racine|racines) (réelle|réelles|reelle|reelles)?",
    "(l')? (ensemble|l'ensemble) (des solutions est)? (vide|l'ensemble vide)", "pas de "
    "(solution|solutions) dans ~r",
    "l'ensemble (des)? solutions est vide", "sans solution", "(l'équation est|c'est)? impossible",
    "n'existe pas",
    # Spanish
    "(no hay|no tiene|no existe|no existen|la ecuación no tiene|esta ecuación no tiene|la ecuacion no "
    "tiene|sin|"
    "ninguna|no posee|la ecuación no posee|no hay ninguna) (ninguna)? "
    "(solución|soluciones|solucion|raíz|raíces|raices) (real|reales)?", "(el)? (conjunto|conjunto solución "
    "es) vacío",
    "conjunto vacio", "el conjunto (de soluciones|solución) es (vacío|el conjunto vacío)", "sin raíces "
    "reales",
    "(ninguno|ninguna)", "no existe", "(la ecuación|es)? (es)? imposible", "no tiene",
    # Portuguese
    "(não há|não tem|não existe|não existem|a equação não tem|a equação não possui|não possui|esta equação "
    "não tem|sem|"
    "nenhuma|nao ha|nao tem|a equação não admite|não admite) (nenhuma)? "
    "(solução|soluções|solucao|solucoes|raiz|raízes) "
    "(real|reais)?", "(o)? conjunto vazio", "o conjunto solução é vazio", "(a equação é|é)? impossível",
    # Italian
    "(nessuna|non ci sono|non c'è|non esiste|non esistono|l'equazione non ha|non ha|non ammette|"
    "l'equazione non ammette|l'equazione non possiede) (alcuna|nessuna)? (soluzione|soluzioni|radice|radici) "
    "(reale|reali)?",
    "(l'|l)? (insieme|l'insieme) (delle soluzioni è)? vuoto", "(l'equazione è|è)? impossibile",
    # Russian
    "(уравнение не имеет|не имеет|нет|уравнение не имеет|оно не имеет) (действительных|вещественных)? "
    "(решений|корней|решения|корня)",
    "(действительных|вещественных)? (решений|корней) (нет|не имеет|не существует)", "решения (нет|не "
    "существует)",
    "(нет|решение) (решения|отсутствует)", "(решения|корни) отсутствуют", "пустое множество",
    "нет (решений|корней) (в|на) (действительных|вещественных) числах", "∅",
    "действительных решений не существует",
    # Dutch, Polish, Swedish, Turkish, Czech, Ukrainian
    "(er (is|zijn)|de vergelijking heeft)? geen (reële|reele)? (oplossing|oplossingen)",
    "(równanie nie ma|nie ma|brak) (rozwiązań|rozwiązania|rozwiązań "
    "rzeczywistych|pierwiastków|pierwiastków rzeczywistych)",
    "(ingen|inga|det finns ingen|det finns inga) (reell|reella)? (lösning|lösningar|lösning finns)",
    "(gerçek|reel)? (çözüm|kök) (yok|yoktur)", "çözümü (yok|yoktur)", "(nemá řešení|žádné řešení|nemá "
    "reálné řešení)",
    "(немає розв'язків|немає розв'язку|розв'язків немає|немає дійсних коренів)",
    # Arabic, Korean, Hindi, Vietnamese
    "لا يوجد (حل|حلول) (حقيقي|حقيقية)?", "لا توجد حلول (حقيقية)?", "ليس للمعادلة حل", "(실수)? (해|근|해가) "
    "(없음|없다)",
    "해가 없습니다", "실근이 (없다|없음)", "해는 없다", "(phương trình)? vô nghiệm",
    "कोई हल नहीं", "कोई वास्तविक हल नहीं",
)  # fmt: skip
# Chinese and Japanese are written without spaces: a run of their letters is one word here.
NO_SOLUTION_UNSPACED = re.compile(
    r"(?:所以|因此|故|则|综上|よって|したがって|ゆえに)?(?:"
    r"(?:此|该|這|这|原|本)?(?:个|個)?(?:一元二次)?(?:方程|方程式|方程组)?(?:在(?:实数|實數)(?:范围|範圍)?(?:内|內|上))?"
    r"(?:是)?(?:没有|沒有|无|無|不存在)(?:任何)?(?:实数|實數|实|實)?(?:解|根|实根|實根|实数解|实数根)"
    r"|(?:实数|實數|实|實)?(?:解|根)(?:不存在|为空集|為空集|没有|不存在的)|空集|解集为空集?|解集(?:是|为)空集?|无解"
    r"|(?:この)?(?:方程式|式)?(?:に|には|は|の)?(?:実数の?|実)?(?:解|根|実数解)(?:は|が|を|も)?"
    r"(?:なし|無し|無い|ない|ありません|存在しない|存在しません|持たない|持ちません|もたない|もちません|無)"
    r"(?:です)?|空集合|不能|해없음|실근없음)(?:です|である)?"
)
LEAD_UNSPACED = re.compile(
    r"(?:(?:所以|因此|故|综上|よって|したがって)?(?:最终|最終|正)?(?:此|该|原|这个|這個)?(?:方程|方程式)?(?:的|の)?"
    r"(?:所有|全部)?(?:实数|實數|実数)?(?:解|根|解集|答案|答え|两个解|两根|答|解答)(?:分别)?(?:为|為|是|は|はそれぞれ)?)"
)

# -- every number ------------------------------------------------------------------------------------------

EVERY = Phrases(
    "(all|every|any|each|∀|for all|for every|for any|true for (all|every|any)|holds for (all|every|any)|"
    "valid for (all|every|any)|(all|any) of the|the set of (all)?) (real)? "
    "(real|reals|number|numbers|value|values|"
    "real number|real numbers|real value|real values) (of ~x|for ~x|~x)? (is a solution|are "
    "solutions|works|work|"
    "satisfies the equation|satisfy the equation|satisfies it|solve it|solves it|solve the equation|solves "
    "the equation|"
    "in ~r)?",
    "(all|every|any|each|∀|for all|for every|for any|true for (all|every|any)|holds for (all|every|any)) "
    "(real)? "
    "~x (value|values)? (in ~r|is a solution|are solutions|works|work|satisfies the equation)?",
    "(all|every|any) real", "(all|the) reals", "(all|every) (of)? ~r", "(the)? (whole|entire) (real "
    "line|number line)",
    "(the)? real (line|number line)", "set of (all)? real numbers", "(the)? real numbers", "everything",
    "(there are|has|{E} has|it has|we have)? (infinitely many|infinite|an infinite number of) (real)? "
    "(solutions|solution|roots|values|answers)".replace("{E}", _EQUATION),
    "infinitely many|infinite",
    f"(it|this|that|{_EQUATION})? (is)? (an|the)? identity", f"(it|this|{_EQUATION})? (is)? always "
    f"(true|satisfied|holds)",
    f"(it|this|{_EQUATION})? always holds",
    "(it|{E})? (is)? (true|satisfied|valid) for (all|every|any) (real)? (~x|number|numbers|value of "
    "~x|values of ~x)"
    .replace("{E}", _EQUATION),
    f"(it|{_EQUATION})? holds for (all|every|any) (real)? (~x|number|numbers|value of ~x|values of ~x)",
    "anything",
    "alle reellen zahlen (sind (lösung|lösungen))?", "jede reelle zahl (ist (eine)? lösung)?",
    "tous les (nombres)? réels (sont (des)? (solution|solutions))?",
    "tout (nombre)? réel (est (une)? solution)?",
    "todos los (números)? reales (son (solución|soluciones))?",
    "(cualquier|todo) número real (es (una)? solución)?",
    "todos os (números)? reais (são (solução|soluções))?", "(qualquer|todo) número real (é (uma)? solução)?",
    "tutti i (numeri)? reali (sono (soluzione|soluzioni))?",
    "(qualsiasi|qualunque|ogni) numero reale (è (una)? soluzione)?",
    "все действительные числа", "любым (действительным|вещественным)? числом", "любым",
    "(unendlich viele|une infinité de|infinitas|infinite|бесконечно много|nieskończenie wiele|oneindig veel) "
    "(lösungen|solutions|soluciones|soluções|soluzioni|решений|rozwiązań|oplossingen)",
    "toute valeur réelle (de ~x)? (est solution|convient)?",
    "(alle|toutes les|tous les|todos los|todos os|tutti gli|tutte le|все|wszystkie) "
    "(valeurs|valores|werte|wartości|valori|значения)? (de|von|di)? ~x",
    "(любое|всякое) (действительное|вещественное)? число (является решением)?",
    "(全体实数|一切实数|所有实数|全体実数|任意实数|すべての実数)",
)  # fmt: skip
EVERY_KIND = Phrases(
    "(all|every|any|each|for all|for every|for any|true for (all|every|any)|the set of all) (of the)? "
    "(real)? ",
    "(set of)? (all)? (real)?",
)
SIGNED = {
    "nonzero": "≠", "positive": ">", "negative": "<", "nonnegative": "≥", "nonpositive": "≤",
}  # fmt: skip
EVERY_START = Phrases(
    "(for|true for|holds for|valid for)? (all|every|any|each|∀)", "(the)? set of (all)?", "the"
)
NUMBER_NOUNS = Phrases(
    "(real)? (number|numbers|value|values|real|reals) (of ~x|for ~x|~x)?",
    "(real)? ~x (value|values)?",
    "reals",
)
EXCEPT = Phrases(
    "(excepto|salvo|menos|sauf|excepté|außer|ausser|ohne|exceto|tranne|eccetto|кроме|oprócz|behalve)",
    "(except|excepting|excluding|besides|but|but not|but for|other than|apart from|aside "
    "from|without|different from|"
    "different than|distinct from|not equal to|save|minus|not including|that (is|are) not|which (is|are) "
    "not) (for|when)?",
    "(not|that do not|which do not) equal (to)?", "(which is|that is) (not equal to|different from|not)",
)  # fmt: skip
DIFFERS = Phrases(
    "(does|do) not equal",
    "(is|are) (not equal to|different from|not)",
    "(must|can|may) not (be|equal)",
    "(cannot|can't|mustn't|doesn't) (be|equal)",
    "isn't (equal to)?",
)
CONDITIONS = Phrases(
    "(with|where|when|whenever|if|for|for which|such that|provided|provided that|assuming|assuming that|as "
    "long as|so "
    "long as|given|given that|satisfying|that satisfy|subject to|on|under the condition|under the "
    "condition that|in|in "
    "the case|while|valid for|defined for|for all|for every|and|having|only if|only for|on the "
    "domain|domain)",
)
MORE_THAN = {
    ">": Phrases("(that|which)? (is|are|be)? (strictly)? (greater|larger|more|bigger|higher) than",
    "(is|are)? above"),
    "<": Phrases("(that|which)? (is|are|be)? (strictly)? (less|smaller|fewer|lower) than", "(is|are)? below"),
    "≥": Phrases(
        "(that|which)? (is|are|be)? (greater|larger|more|bigger) than or equal to", "(is|are|be)? at least",
        "(that|which)? (is|are)? (not|no) (less|smaller) than", "(is|are)? greater or equal to",
        "(is|are)? greater than or equal"),
    "≤": Phrases(
        "(that|which)? (is|are|be)? (less|smaller|fewer) than or equal to", "(is|are|be)? at most",
        "(that|which)? (is|are)? (not|no) (greater|larger|more) than", "(is|are)? less or equal to"),
}  # fmt: skip
INTERVALS = Phrases("(the)? (closed|open|half-open|half open)? interval (from)?", "(the)? (union|set)")
WHICH_IS = Phrases("(which|that|and)? (is|are|must be)")
MUST_BE = Phrases("(must|has to|needs to) be")
SUCH_THAT = Phrases("(such|so) that|satisfying|with|for which|where|that satisfies|which satisfies")
PART_NOUNS = Phrases("solution|root|zero|answer|value")
SOURCES = Phrases("(found|obtained)? (from|by solving|solving)")
BETWEEN = Phrases("(is|lies|are|lie|be)? (anywhere)? (between|from)")
INCLUSIVE = Phrases("inclusive|inclusively|both inclusive|both included|included|endpoints "
"included|including endpoints|"
                    "including both endpoints|including the endpoints")  # fmt: skip
EVERYTHING_BETWEEN = Phrases("(everything|all numbers|every number|all real numbers|all values|all) (in)? "
"between "
                             "(them)?")  # fmt: skip

# -- remarks -----------------------------------------------------------------------------------------------

ABOUT = Phrases(
    "(which is|that is|or|ie|and|are|is)? "
    "(about|approximately|approx|roughly|around|nearly|circa|ca|almost|≈) "
    "(equal to)?", "(in|as)? decimal (form)?", "(in|as) decimals", "numerically",
)  # fmt: skip
AS_DECIMAL = Phrases("(in|as)? (a)? decimal (form|notation)?", "(in|as) decimals")
CHECKS = Phrases(
    "which (checks|works) (out)?",
    "(check|checks|checking|verify|verifying|verification|proof|test|testing|substitute|substituting|substitution|"
    "plug in|plugging in|probe|vérification|comprobación|verifica|проверка)",
)
CHECK_WORDS = Phrases(
    "(for|at|with|when|if|gives|give|and|both|sides|side|left|right|lhs|rhs|the|in|into|back|is|are|true|ok|okay|work|works|"
    "correct|equal|equals|holds|so|we|get|have|yields|equation|original|we|it|check|checks|satisfied|zero|then|which|"
    "valid|good|verified|confirmed|matches|match|denominator|denominators|substituting|defined|a|of|that|values|value|"
    "each|this|these|as|required|by|plugging|out|to|verify|also|from|do|does|indeed|solutions|solution|roots|root|"
    "satisfy|satisfies|square|positive|nonzero|expected|them|fine|✓|≠)",
)
EXPLAINS = Phrases(
    "(explanation|reason|reasoning|justification|working|work|steps|method|note|details|why|because)"
)
AUXILIARY = Phrases(
    "(the|its|a|with|negative|positive)? (discriminant|delta|disc) (of (the|this)? "
    "(quadratic|equation|polynomial))?",
    "multiplicity|mult", "(the)? domain", "(the)? degree", "lhs|rhs",
)  # fmt: skip
REMARK_SUBJECTS = Phrases(
    "(the|its|a|with|negative|positive)? (discriminant|delta|disc)",
    f"{_EQUATION} (has|is|becomes|reduces|simplifies|leads)?", "(a|the|real)? (square|squares)",
    "(the|a|an)? (absolute value|"
    "absolute values|square root|square roots|principal root|left side|left hand side|right side|right "
    "hand side|"
    "denominator|denominators|parabola|graph|graphs|lines|radicand|domain|lhs|rhs|sides|numerator|fraction)",
    "(der betrag|die diskriminante|das quadrat|eine quadratzahl|die wurzel|der nenner)",
    "(la valeur absolue|le discriminant|un carré|une racine carrée)",
    "(el valor absoluto|el discriminante|un cuadrado|una raíz cuadrada)",
    "(o módulo|o discriminante|um quadrado|il valore assoluto|il discriminante|un quadrato)",
    "(дискриминант|модуль|квадрат)",
    "(both|all|the|its|any|every|each)? (only)? (two)? (candidate|candidates|possible solutions|potential "
    "solutions|roots|"
    "sides|solutions|squares)",
    "division", "(we|this|it|that|which)", "(over|in|within|for) (the|~r)?",
    "(the|its|only|two|has|with|a pair of)? (two|conjugate)? (purely)? (complex|imaginary|nonreal)",
)  # fmt: skip
COMPLEX_ONES = Phrases(
    "(only|just|but|but only|and only)? (two)? (conjugate)? (purely)? (complex|imaginary|nonreal) "
    "(conjugate)? (ones|solutions|roots|numbers)",
    "(both|they|these)? are (all|both)? (purely)? (complex|imaginary|nonreal)"
)  # fmt: skip
COMPLEX_ROOTS = Phrases(
    "(the|its|both|all)? (the)? (two)? (roots|solutions|zeros) (are|is) (all|both)? (purely)? "
    "(complex|imaginary|nonreal|not real) (numbers|conjugates)?"
)
OTHER_COMPLEX = Phrases(
    "(the|its)? (other|remaining) (two|three|four)? (cube)? (root|roots|solution|solutions|zeros|ones)? "
    "(is|are) (all|both)? (purely)? (complex|imaginary|nonreal|not real)"
)
FREE_SUBJECTS = frozenset(["discriminant", "delta", "disc", "domain", "radicand"])
"""Subjects of remarks that may stand anywhere; others need "because" or "no solution" before them."""
REMARK_WORDS = word_set(
    """
    the a an of is are be has have was not never always cannot can't no and or both all only negative
    positive zero nonnegative nonzero less greater than below above equal equals to square squares
    squared root roots real complex imaginary number numbers solution solutions denominator denominators
    vanish vanishes undefined impossible extraneous invalid excluded rejected domain outside division by
    divide makes make would lead leads contradiction false sides side left right hand differ differs
    different equation reduces simplifies becomes gives give get in over reals for any every value
    values nonreal purely conjugate pair pairs them it this that which so two one intersect cross touch
    axis parabola lines parallel graph sum discriminant absolute does do exist exists we nothing else
    perfect constant distinct single unique term terms possible candidate candidates satisfy satisfies
    satisfied work works allowed permitted defined with identical numerator numerators als ein einer
    eines es essere est ist jamais kleiner mai n'est negativ negativa negativo nie non nul null nunca
    não négatif négative pode positif puede può ser toujours wird zahl è é быть меньше может не нуля
    отрицателен отрицательный отрицательным
    """
)

MULTIPLICITY = Phrases(
    "(with|of|is|has|a)? (a)? (algebraic)? (multiplicity|mult) (of|is)?",
    "(mit|der)? (algebraischer)? vielfachheit", "(de|avec)? (une)? multiplicité", "(de|con)? multiplicidad",
    "(de|com)? multiplicidade", "(di|con)? molteplicità", "кратности|кратность",
)  # fmt: skip
PARAMETER_WORDS = Phrases("all|every|any|real|the|values|of|value|and")
NEVER = Phrases(
    "is never (true|satisfied|possible)|never holds|is always (true|positive|nonnegative|false)",
    "is (false|impossible|a contradiction)|cannot (happen|hold|be true)|always|never",
    "(has|have|gives|give|yields|yield) no (real)? (solution|solutions|roots|root|values|value)",
    "(gives|yields) (nothing|no) (real|new)?",
)

# -- doubt and denial --------------------------------------------------------------------------------------

HEDGES_AND_RETRACTIONS = frozenset(
    ["not", "isn't", "aren't", "wasn't", "doesn't", "don't", "didn't", "won't", "wouldn't", "can't",
    "cannot", "couldn't", "shouldn't", "no", "never", "none", "neither", "nor", "nothing", "without",
    "wrong", "incorrect", "incorrectly", "false", "untrue", "invalid", "mistake", "mistaken", "mistakes",
    "error", "errors", "erroneous", "oops", "sorry", "apologies", "apologize", "wait", "hmm", "hm",
    "actually", "correction", "corrected", "correcting", "fix", "fixed", "redo", "recheck", "retry",
    "revise", "revised", "revising", "instead", "rather", "scratch", "ignore", "disregard", "forget",
    "retract", "undo", "however", "but", "though", "although", "unless", "except", "excluding",
    "otherwise", "alternatively", "maybe", "perhaps", "possibly", "probably", "likely", "unlikely",
    "presumably", "supposedly", "allegedly", "hopefully", "guess", "guessing", "guessed", "unsure",
    "uncertain", "uncertainly", "doubt", "doubtful", "doubts", "suspect", "assume", "assuming", "assumed",
    "seem", "seems", "seemingly", "appear", "appears", "apparently", "might", "may", "could", "should",
    "would", "think", "believe", "feel", "suppose", "if", "approximate", "approximately", "approx",
    "about", "around", "roughly", "nearly", "almost", "extraneous", "reject", "rejected", "rejecting",
    "discard", "discarded", "disregarded", "excluded", "exclude", "kidding", "joking", "joke", "lie",
    "lied", "fake", "unless", "also", "another", "other", "others", "additional", "more", "plus",
    "missing", "missed", "forgot", "overlooked", "incomplete", "partial", "partly", "only", "some",
    "fail", "fails", "failed", "failing", "impossible", "contradiction", "contradicts", "contradictory",
    "contrary", "unlike", "opposite", "reconsider", "reconsidering", "rethink", "again", "second",
    "alternative", "different", "change", "changed", "update", "updated", "replace", "replaced", "rule",
    "ruled", "question", "questionable", "confused", "unclear", "unknown", "undefined", "trick", "trap",
    "?", "decoy", "dummy", "placeholder", "example", "sample", "hypothetical", "hypothetically",
    "imagine", "pretend", "claim", "claimed", "claims", "alleged", "supposed", "so-called", "unproven",
    "unverified", "untested", "tentative", "tentatively", "preliminary", "draft", "initial", "initially",
    "first", "previous", "previously", "earlier", "old", "former"]
)  # fmt: skip


def _vocabulary() -> frozenset[str]:
    """Every word that some rule knows."""
    tables = [value for value in globals().values() if isinstance(value, Phrases)]
    tables += [*MORE_THAN.values(), *SIGN_OF.values()]
    words = set(REMARK_WORDS) | set(NUMBERS) | set(PARTS) | set(SIGNED) | {"a", "an"}
    for table in tables:
        words |= table.words
    for signs in SPELLED:
        words.update(signs)
    return frozenset(words - {UNKNOWN, REALS})


VOCABULARY = _vocabulary()
