/** Curves that every page about training shows. */

export interface TrainingCurve {
  readonly id: string;
  readonly title: string;
  readonly isLogarithmic?: boolean;
}

export const TRAINING_CURVES = {
  loss: { id: 'training-loss', title: 'Training loss, with the margin', isLogarithmic: true },
  accuracy: { id: 'training-accuracy', title: 'Training accuracy, without margin' },
  logitGradientNorm: {
    id: 'logit-gradient',
    title: 'Norm of the gradient at the logits',
    isLogarithmic: true,
  },
  targetAngle: { id: 'target-angle', title: "Angle to the own class's weight, median, degrees" },
} as const satisfies Record<string, TrainingCurve>;
