/** Where a recipe's models put images that were not trained on: a panel for each row. */
import { Model } from '../model/model.js';
import { type EmbeddingsPanel, embeddingsSvg } from '../report/svg/embeddingsSvg.js';
import { firstMeasure, titleOfKey } from './runLine.js';
import type { RunDone } from './runRecipe.js';
import type { Scoring } from './scoring.js';

export type ModelOfRow = Pick<RunDone, 'key' | 'outcome'> & { readonly model: string };

/** @param caption Below the panels, beside what they are */
export async function recipePicture(
  name: string,
  models: readonly ModelOfRow[],
  { split, classNames }: NonNullable<Scoring['shown']>,
  caption = '',
): Promise<string> {
  // Its library is for pictures alone.
  const { featuresPanel } = await import('../report/featuresPanel.js');
  const panels: EmbeddingsPanel[] = [];
  let isPlane = true;
  for (const { key, outcome, model: file } of models) {
    using model = await Model.load(file, { device: 'cpu' });
    isPlane &&= model.embeddingSize === 2;
    const said = { title: titleOfKey(key), subtitle: firstMeasure(outcome) };
    panels.push(await featuresPanel(model, split, said));
  }
  return embeddingsSvg({
    panels,
    classNames,
    title: `${name}: embeddings of images that were not trained on`,
    caption:
      `Models of seed 1; every panel has its own scale${isPlane ? '' : '; three principal components'}. ${caption}`.trimEnd(),
  });
}
