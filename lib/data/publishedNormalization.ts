/** Means and standard deviations of whole data sets as everybody writes them: what published networks were trained with. */

interface Published {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/**
 * Of the training images' pixels in [0, 1], per channel.
 *
 * - 'imagenet': torchvision's, of all its classification weights (https://pytorch.org/vision/stable/models.html).
 * - 'cifar10', 'cifar100': of all pixels of the 50,000 training images, to four digits; as in 125.3, 123.0, 113.9 and 63.0, 62.1, 66.7 of
 *   255 for CIFAR-10 (Zagoruyko & Komodakis 2016). The std 0.2023, 0.1994, 0.2010 that much code has for CIFAR-10 is the mean of the
 *   single images' own, and smaller: for that give `{ mean, std }`.
 * - 'mnist': of the 60,000 training images, as in PyTorch's example.
 */
export const PUBLISHED_NORMALIZATION = {
  imagenet: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  cifar10: { mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] },
  cifar100: { mean: [0.5071, 0.4865, 0.4409], std: [0.2673, 0.2564, 0.2762] },
  mnist: { mean: [0.1307], std: [0.3081] },
} as const satisfies Readonly<Record<string, Published>>;

export type PublishedNormalization = keyof typeof PUBLISHED_NORMALIZATION;

export const PUBLISHED_NAMES = Object.keys(PUBLISHED_NORMALIZATION) as PublishedNormalization[];
