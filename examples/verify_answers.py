"""Judge answers to equations from Python, exactly: `python examples/verify_answers.py`."""

from practicum.exact.verifier import solve, verify

EQUATION = "3 - (3+y)/y = y"

for answer in ("1, 3", "no real solutions"):
    verdict = verify(EQUATION, answer)
    print(f"{answer}: {verdict.verdict} ({verdict.reason})")

print("x^2 - 5x + 3 = 0 has the solutions", ", ".join(solve("x^2 - 5x + 3 = 0").texts))
print(
    "the sum of the solutions of a - (a+x)/x = x is a - 1:", verify("a - (a+x)/x = x", "a-1", "sum").verdict
)
