// Which trainings are computed.
import { BACKBONE, CARD, NETWORKS, OPTIMIZERS, SAMPLED_SHARE } from './assumptions.mjs';
import { calibration } from './calibration.mjs';
import { fits, memoryOf } from './memory.mjs';
import { stepOf } from './step.mjs';

export const RANKS = [8, 64, 256, 1024];
const CLASSES = [1e6, 1e7, 1e8];
const IMAGES_PER_GPU = 128; // InsightFace's
const STRONG_BATCH = 8192;

const weak = { title: '128 images per GPU', rowsOf: (ranks) => IMAGES_PER_GPU * ranks, network: 'fast' };
const strong = { title: '8,192 images in all', rowsOf: () => STRONG_BATCH, network: 'fast' };
const slow = { ...weak, title: '128 images per GPU, one 100 Gbit/s card per node', network: 'slow' };
const sampled = { share: SAMPLED_SHARE, slots: 'drawn' };

const eachWeak = CLASSES.flatMap((classes) => [
  { ...weak, classes, share: 1 },
  { ...weak, classes, ...sampled },
]);
const [weakRow, strongRow, slowRow] = [weak, strong, slow].map((row) => ({
  ...row,
  classes: 1e7,
  ...sampled,
}));

const settingOf = ({ rowsOf, network, classes, share, slots }, ranks) => ({
  ...{ ranks, rows: rowsOf(ranks), classes, share, slots },
  ...{ network: NETWORKS[network], card: CARD, backbone: BACKBONE, optimizer: OPTIMIZERS.sgd },
});

const nameOf = ({ title, classes, share }) => ({ title, classes, share });

/** Each with `cells`, one per number of GPUs. */
const overRanks = (row, compute) => ({
  ...nameOf(row),
  cells: RANKS.map((ranks) => ({ ranks, ...compute(settingOf(row, ranks)) })),
});

function timed(setting) {
  const { seconds, headSeconds, computing } = stepOf(setting);
  return { rows: setting.rows, seconds, headSeconds, computing, fits: fits(setting) };
}

const remembered = (setting) =>
  Object.fromEntries(
    Object.entries(OPTIMIZERS).map(([name, optimizer]) => {
      const other = { ...setting, optimizer };
      return [name, { ...memoryOf(other), fits: fits(other) }];
    }),
  );

const withLines = (row, ranks) => ({
  ...nameOf(row),
  ranks,
  lines: stepOf(settingOf(row, ranks)).lines,
});

const eachSlots = (setting) =>
  Object.fromEntries(
    ['drawn', 'expected', 'all'].map((slots) => {
      const other = { ...setting, slots };
      const { logits, total } = memoryOf(other);
      return [slots, { headSeconds: stepOf(other).headSeconds, logits, total, fits: fits(other) }];
    }),
  );

const scaled = ({ within, between }, factor) => ({ within: within * factor, between: between * factor });
const withHops = (factor) => (setting) => ({
  ...setting,
  network: {
    ...setting.network,
    ringHopSeconds: scaled(setting.network.ringHopSeconds, factor),
    treeHopSeconds: scaled(setting.network.treeHopSeconds, factor),
  },
});
const withBus = (factor) => (setting) => ({
  ...setting,
  network: { ...setting.network, busBytesPerSecond: scaled(setting.network.busBytesPerSecond, factor) },
});
const withImages = (factor) => (setting) => ({
  ...setting,
  backbone: { ...setting.backbone, imagesPerSecond: factor * setting.backbone.imagesPerSecond },
});

const withCard = (change) => (setting) => ({
  ...setting,
  card: { ...setting.card, ...change(setting.card) },
});

const DOUBTS = [
  { what: 'as assumed', change: (setting) => setting },
  { what: 'hops take half the time', change: withHops(0.5) },
  { what: 'hops take twice the time', change: withHops(2) },
  { what: 'half the bandwidth between GPUs', change: withBus(0.5) },
  {
    what: 'half the TFLOP/s of the matmuls',
    change: withCard(({ matmulFlopsPerSecond }) => ({ matmulFlopsPerSecond: matmulFlopsPerSecond / 2 })),
  },
  { what: 'half the images/s of a GPU', change: withImages(0.5) },
  { what: 'twice the images/s of a GPU', change: withImages(2) },
];

export function computed() {
  const most = RANKS.at(-1);
  return {
    calibration: calibration(),
    steps: [...eachWeak, strongRow, slowRow].map((row) => overRanks(row, timed)),
    lines: [
      ...RANKS.map((ranks) => withLines(weakRow, ranks)),
      withLines(strongRow, most),
      withLines(slowRow, most),
    ],
    memory: eachWeak.map((row) => overRanks(row, remembered)),
    slots: eachWeak.filter(({ share }) => share < 1).map((row) => overRanks(row, eachSlots)),
    doubts: DOUBTS.map(({ what, change }) => ({
      what,
      cells: [{ ...weakRow, share: 1 }, weakRow, strongRow, slowRow].map((row) => ({
        ...nameOf(row),
        ranks: most,
        ...timed(change(settingOf(row, most))),
      })),
    })),
  };
}
