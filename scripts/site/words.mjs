/** A type that is a choice of words is shown as those words, from whatever it is computed. */
import { Converter, LiteralType, ReflectionKind, UnionType } from 'typedoc';

export function showWords({ converter }) {
  converter.on(Converter.EVENT_RESOLVE_BEGIN, (context) => {
    const checker = context.programs[0].getTypeChecker();
    for (const alias of context.project.getReflectionsByKind(ReflectionKind.TypeAlias)) {
      const symbol = context.getSymbolFromReflection(alias);
      const type = symbol && checker.getDeclaredTypeOfSymbol(symbol);
      if (!type?.isUnion() || !type.types.every((each) => each.isStringLiteral())) continue;
      alias.type = new UnionType(type.types.map(({ value }) => new LiteralType(value)));
    }
  });
}
