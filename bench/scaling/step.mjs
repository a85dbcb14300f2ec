// One training step of one rank, line by line. The numbers of collectives are those of the table in text.mjs.
import { BF16_EMBEDDINGS_FROM, BUCKET_BYTES, EMBEDDING_SIZE, FLOAT } from './assumptions.mjs';
import { allReduce, ringAllGather, ringReduceScatter } from './collectives.mjs';
import { copySeconds, passSeconds, updateSeconds } from './head.mjs';
import { columnsOf, isSampled } from './shard.mjs';

const LABEL = 4; // bytes of an int32
const SUMS_PER_ROW = 4; // of e^(z - m), of the target's logit with and without its margin, of what is past pi
const NUMBERS_PER_STEP = 3; // squares of the gradients, of dlogits; and a head's own loss

/** @returns `seconds`, `computing` as a part of it from 0 to 1, `headSeconds`, and the `lines` that make up the step */
export function stepOf(setting) {
  const { rows, ranks, network, backbone } = setting;
  const backboneSeconds = rows / ranks / backbone.imagesPerSecond;
  const headSeconds = headSecondsOf(setting);
  const lines = [
    { what: 'backbone', seconds: backboneSeconds },
    { what: 'head', seconds: headSeconds },
    ...headCollectives(rows, ranks).map(({ run, ...line }) => ({
      ...line,
      seconds: run(line.bytes, ranks, network),
    })),
    {
      collective: 6,
      bytes: backbone.parameters * FLOAT,
      seconds: exposedSeconds(setting, backboneSeconds * backbone.backwardShare),
    },
  ];
  const seconds = lines.reduce((sum, line) => sum + line.seconds, 0);
  return { seconds, headSeconds, computing: (backboneSeconds + headSeconds) / seconds, lines };
}

function headSecondsOf(setting) {
  const { rows, card, optimizer } = setting;
  const work = { rows, columns: columnsOf(setting), card, optimizer };
  return passSeconds(work) + updateSeconds(work) + (isSampled(setting) ? copySeconds(work) : 0);
}

const headCollectives = (rows, ranks) => [
  { collective: 1, run: ringAllGather, bytes: rows * (EMBEDDING_SIZE * embeddingBytes(ranks) + LABEL) },
  { collective: 2, run: allReduce, bytes: rows * FLOAT },
  { collective: 3, run: allReduce, bytes: rows * SUMS_PER_ROW * FLOAT },
  { collective: 4, run: ringReduceScatter, bytes: rows * EMBEDDING_SIZE * FLOAT },
  { collective: 5, run: allReduce, bytes: NUMBERS_PER_STEP * FLOAT },
];

const embeddingBytes = (ranks) => (ranks >= BF16_EMBEDDINGS_FROM ? 2 : FLOAT);

/** Adding up the backbone's gradients: what its backward pass does not hide, the last bucket at least, which is full at its end. */
function exposedSeconds({ ranks, network, backbone }, backwardSeconds) {
  const times = buckets(backbone.parameters * FLOAT).map((bytes) => allReduce(bytes, ranks, network));
  const total = times.reduce((sum, seconds) => sum + seconds);
  return Math.max(times.at(-1), total - backwardSeconds);
}

function buckets(bytes) {
  const sizes = [];
  for (let left = bytes; left > 0; left -= sizes.at(-1))
    sizes.push(Math.min(left, sizes.length === 0 ? BUCKET_BYTES.first : BUCKET_BYTES.others));
  return sizes;
}
