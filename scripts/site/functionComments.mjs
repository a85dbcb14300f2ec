/** A member that is a function has that function's comment: the idx of `{ idx }`, and what a type takes from another by `Omit`. */

import { Converter, ReflectionKind } from 'typedoc';
import ts from 'typescript';

const MEMBERS = ReflectionKind.Variable | ReflectionKind.Property;

export function commentMembers({ converter }) {
  converter.on(Converter.EVENT_CREATE_DECLARATION, (context, reflection) => {
    if (!reflection.kindOf(MEMBERS) || reflection.comment !== undefined) return;
    const [declaration] = meant(context, context.getSymbolFromReflection(reflection))?.declarations ?? [];
    if (declaration === undefined || !ts.isFunctionLike(declaration)) return;
    reflection.comment = context.getSignatureComment(declaration);
  });
}

function meant(context, symbol) {
  const [declaration] = symbol?.declarations ?? [];
  if (declaration === undefined || !ts.isShorthandPropertyAssignment(declaration)) return symbol;
  return context.resolveAliasedSymbol(context.checker.getShorthandAssignmentValueSymbol(declaration));
}
