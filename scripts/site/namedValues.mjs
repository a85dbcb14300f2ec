/** Types that are a choice of words are shown as those words, whatever table they are taken from. */
import { Converter, LiteralType, ReflectionKind, UnionType } from 'typedoc';

export function showNamedValues(app) {
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (context, reflection) => {
    if (!reflection.kindOf(ReflectionKind.TypeAlias)) return;
    const symbol = context.getSymbolFromReflection(reflection);
    if (symbol === undefined) return;
    const type = context.checker.getDeclaredTypeOfSymbol(symbol);
    if (!type.isUnion() || !type.types.every((each) => each.isStringLiteral())) return;
    reflection.type = new UnionType(type.types.map(({ value }) => new LiteralType(value)));
  });
}
