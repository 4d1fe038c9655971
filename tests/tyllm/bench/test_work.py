"""Work is counted from program.json: weights once, rows of tables and of the cache, products with weights."""

from tyllm.bench.work import Work


def test_a_token_reads_its_weights_and_the_rows_of_its_context(opened):
    rows = sum(die.kv_bytes for die in opened.buffers.dies) / opened.buffers.kv_capacity
    work = Work.of(opened)
    assert work.bytes_of_a_token(0) == 2 * (10 + 300 + 200)
    assert work.bytes_of_a_token(50) == 2 * (10 + 300 + 200) + 50 * rows


def test_a_prompt_multiplies_in_every_chunk_and_once_in_the_head(opened):
    work = Work.of(opened)
    assert work.operations_of_a_prompt(16, 0) == {"int8": 2 * (16 * 600 + 400)}


def test_padding_is_no_work(opened):
    assert Work.of(opened).operations_of_a_prompt(7, 0) == {"int8": 2 * (7 * 600 + 400)}
