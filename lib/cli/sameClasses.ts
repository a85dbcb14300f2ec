import { MarginCoreError } from '../base/errors.js';

/** Throws INVALID_DATA for data with other classes than the model has. Names that are but numbers say nothing. */
export function expectSameClasses(ofModel: readonly string[], ofData: readonly string[]): void {
  const isNumbered = [ofModel, ofData].some((names) => names.every((name, index) => name === String(index)));
  const differs = ofData.findIndex((name, index) => name !== ofModel[index]);
  if (isNumbered || (differs < 0 && ofModel.length === ofData.length)) return;
  const index = differs < 0 ? ofData.length : differs;
  throw new MarginCoreError(
    'INVALID_DATA',
    `The data has other classes than the model: class ${index} is '${ofData[index] ?? 'none'}' there, '${ofModel[index] ?? 'none'}' here`,
  );
}
