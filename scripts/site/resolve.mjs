export const resolve = (specifier, context, next) =>
  next(specifier === 'typescript' ? 'typescript-6' : specifier, context);
