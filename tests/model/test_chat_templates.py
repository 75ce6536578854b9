"""Chat templates: the text and ids of `AutoTokenizer.apply_chat_template`, or one line that says why not."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from practicum.errors import InputError
from practicum.model.tokenizer import Chat, chat_of, encode_prompts, encode_reply, load_tokenizer
from practicum.types import Prompt

# The templates that TRL brings are those of the models' makers: Llama, Qwen, Gemma, Phi, DeepSeek and more.
# Those that end in "training" are TRL's own variants.
TRL = importlib.util.find_spec("trl")
PUBLISHED = sorted(Path(TRL.origin).parent.glob("chat_templates/*[!g].jinja")) if TRL and TRL.origin else []
# In the manner of Gemma: no system role, turns alternate, and the answerer is called the model.
ALTERNATING = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate\\nuser/assistant') }}{% endif %}<start_of_turn>"
    "{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n{{ message['content'] | trim }}"
    "<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
# In the manner of SmolLM2: a system message of its own where none is given.
WITH_SYSTEM = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\\n"
    "You are helpful.<|im_end|>\\n{% endif %}<|im_start|>{{ message['role'] }}\\n{{ message['content'] }}"
    "<|im_end|>\\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\\n{% endif %}"
)
TEMPLATES = {path.stem: path.read_text(encoding="utf-8") for path in PUBLISHED} | {
    "alternating": ALTERNATING,
    "with a system message": WITH_SYSTEM,
}
CONTENT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ONE_LINE = re.compile(r"InputError: the model's chat template fails on [^\n]+: [^\n]+")
ROLES = st.sampled_from(["user", "assistant", "system"])
MESSAGES = st.lists(st.fixed_dictionaries({"role": ROLES, "content": CONTENT}), min_size=1, max_size=4)


@cache
def folder(name: str, root: Path) -> Path:
    tokenizer = Tokenizer(models.BPE({}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens(sorted(pre_tokenizers.ByteLevel.alphabet()))
    whole = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )
    whole.chat_template = TEMPLATES[name]
    path = root / name.replace(" ", "-")
    whole.save_pretrained(path)
    return path


@cache
def both(name: str, root: Path) -> tuple[Tokenizer, Any]:
    """Our tokenizer and transformers' of one folder."""
    path = folder(name, root)
    return load_tokenizer(path), AutoTokenizer.from_pretrained(path)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chat")


def outcome(render: Callable[[], Any]) -> tuple[Any, str]:
    """What a rendering gives and what it complains of; one of the two is empty."""
    try:
        return render(), ""
    # Transformers lets through whatever a template raises.
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("name", TEMPLATES)
def test_texts_are_those_of_transformers(name: str, root: Path) -> None:
    ours, theirs = both(name, root)
    chat = chat_of(ours)
    assert chat is not None

    @settings(max_examples=15, deadline=None, database=None)
    @given(messages=MESSAGES, answers=st.booleans())
    def same(messages: list[dict[str, str]], answers: bool) -> None:
        how: dict[str, Any] = {"add_generation_prompt": answers}
        expected, refusal = outcome(partial(theirs.apply_chat_template, messages, tokenize=False, **how))
        found, complaint = outcome(partial(chat.render, messages, **how))
        assert found == expected
        assert bool(complaint) == bool(refusal)
        assert ONE_LINE.fullmatch(complaint or "InputError: the model's chat template fails on it: none")

    same()


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("text", ["Solve x + 1 = 2.", " two\nlines ", "é 日本 </s>"])
def test_a_prompt_has_the_ids_of_transformers(name: str, text: str, root: Path) -> None:
    ours, theirs = both(name, root)
    expected = theirs.apply_chat_template([{"role": "user", "content": text}], add_generation_prompt=True)
    assert encode_prompts(ours, [text]) == [expected["input_ids"]]


TOOL = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds two numbers.",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
    },
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_chat_has_the_ids_of_transformers(name: str, root: Path) -> None:
    ours, theirs = both(name, root)

    @settings(max_examples=10, deadline=None, database=None)
    @given(messages=MESSAGES, tools=st.sampled_from([None, [TOOL]]))
    def same(messages: list[dict[str, str]], tools: list[dict[str, Any]] | None) -> None:
        prompt = Prompt("a chat", {"tools": tools} if tools else {}, tuple(messages))
        how: dict[str, Any] = {"tools": tools, "add_generation_prompt": True, "tokenize": True}
        expected, refusal = outcome(lambda: theirs.apply_chat_template(messages, **how)["input_ids"])
        found, complaint = outcome(lambda: encode_prompts(ours, [prompt]))
        assert found == (None if expected is None else [expected])
        assert bool(complaint) == bool(refusal)

    same()


def test_a_reply_that_calls_tools_is_written_as_the_template_writes_it(root: Path) -> None:
    names = [name for name in TEMPLATES if name.startswith("qwen3")]
    if not names:
        pytest.skip("trl, which brings the templates, is not installed")
    call = {"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}
    reply = {"role": "assistant", "content": "", "tool_calls": [call]}
    ours, theirs = both(names[0], root)
    prompt = Prompt("one plus?", {"tools": [TOOL]})
    asked = {"role": "user", "content": "one plus?"}
    whole = theirs.apply_chat_template([asked, reply], tools=[TOOL])["input_ids"]
    ids = [*encode_prompts(ours, [prompt])[0], *encode_reply(ours, prompt, reply, ())]
    assert ids == whole
    assert '"name":"add"' in ours.decode(ids).replace(" ", "")


def test_a_refusal_is_one_line_with_the_template_s_own_words() -> None:
    chat = Chat(ALTERNATING, {"bos_token": "<s>"})
    turns = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    with pytest.raises(InputError, match="fails on 2 messages: Conversation roles must alternate user/ass"):
        chat.render(turns)
    with pytest.raises(InputError, match="on a user's message: System role not supported"):
        chat.render([{"role": "system", "content": "Be brief."}])


@pytest.mark.parametrize("how", ["| tojson", "+ ''"])
def test_arguments_of_calls_are_written_once_whatever_the_template_expects(how: str) -> None:
    template = "{% for call in messages[0].tool_calls %}{{ call.function.arguments " + how + " }}{% endfor %}"
    call = {"function": {"name": "f", "arguments": {"city": "Ulm"}}}
    assert Chat(template).render([{"role": "assistant", "tool_calls": [call]}]) == '{"city": "Ulm"}'


BROKEN = [
    "{% for", "{{ 1 / 0 }}", "{{ 10 % 0 }}", "{{ messages[5].content }}", "{{ none.x.y }}", "{{ 'a' + 1 }}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{{ range(10 ** 9) | list }}", "{{ unknown() }}",
    "{% include 'x' %}", "{{ '%d' % 'x' }}", "{{ '{:q}'.format(3) }}", "{{ messages | nofilter }}",
    "{{ messages is notest }}", "{{ raise_exception('') }}", "{{ raise_exception('two\nlines') }}",
    "{{ messages.append(1) }}", "{{ '{9}'.format(1) }}", "{{ {}['a'] + 1 }}", "{{ 2.0 ** 100000 }}",
    "{{ messages.__class__.__mro__ + 1 }}", "{{ messages | int(1, 2, 3, 4) }}",
    "{{ messages[0] < messages[0] }}", "{{ messages | batch }}",
]  # fmt: skip
WORDS = (
    "{{ }} {% %} if else endif for endfor messages [ ] ( ) . content role loop.index 0 1 / % + ~ | trim "
    "upper 'a' in not message set = == raise_exception macro endmacro join length none - -%} {%-"
)


@pytest.mark.parametrize("template", BROKEN)
def test_a_template_that_fails_ends_in_one_line(template: str) -> None:
    found, complaint = outcome(partial(Chat(template).ask, "hi"))
    assert ONE_LINE.fullmatch(complaint), (found, complaint)


@settings(max_examples=200, deadline=None)
@given(template=st.lists(st.sampled_from(WORDS.split()), max_size=14).map(" ".join))
def test_any_template_gives_a_text_or_one_line(template: str) -> None:
    found, complaint = outcome(partial(Chat(template).ask, "hi"))
    assert isinstance(found, str) or ONE_LINE.fullmatch(complaint), complaint
