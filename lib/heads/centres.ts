import type { NativeHead } from '../native/contract.js';

/**
 * What a head has for class centres. 'weights': class weights that are compared by their direction alone. 'centres':
 * those of the distance in the loss, where the class weights are no such. Otherwise none: the length of a class weight,
 * or its bias, decides as well.
 */
export function centresOf({
  normalizeWeights,
  fixedWeights,
  centerWeight,
}: Pick<NativeHead, 'normalizeWeights' | 'fixedWeights' | 'centerWeight'>):
  | 'weights'
  | 'centres'
  | undefined {
  if (normalizeWeights) return 'weights';
  return centerWeight > 0 && !fixedWeights ? 'centres' : undefined;
}
