from pathlib import Path

from checkpoints import BertLike

from lora_lens import load_adapter, shared_subspace


def test_too_few_draws_find_nothing_and_say_so(bert: BertLike, tmp_path: Path) -> None:
    """Two tests need 39 draws: with fewer no p can be .025 after Holm, whatever the number is."""
    adapter = load_adapter(tmp_path / "lora")
    for draws, told in ((38, False), (39, True)):
        result = shared_subspace(adapter, "value", draws=draws)
        sentence = result.summary
        assert (f"{draws} draws are too few to tell" in sentence) is not told
        assert ("(39 are needed), so nothing could be found" in sentence) is not told
        assert ("no more" in sentence) is told
        assert "less" not in sentence
        detectable = {one.verdict.detectable for one in result.findings}
        assert (None in detectable) is not told
