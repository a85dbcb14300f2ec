/** Cards that are dealt without repetition until none is left, and then from the next shuffled deck. */
export class Decks {
  #at: number;

  /**
   * @param cards Of `size` cards each, one deck after another: as many as will be dealt. They are reordered.
   * @param first Where in `cards` the first deck begins
   */
  constructor(
    private readonly cards: Int32Array,
    private readonly size: number,
    private readonly first: number,
  ) {
    this.#at = first;
  }

  /**
   * So many cards, no two alike where a deck has so many: what the hand has from the end of one deck comes last in the next. Otherwise
   * no card is there two times more often than another.
   */
  deal(count: number): Int32Array {
    const hand = new Int32Array(count);
    for (let dealt = 0; dealt < count; dealt++) {
      const isNewDeck = (this.#at - this.first) % this.size === 0;
      if (isNewDeck && dealt > 0) this.#putLast(hand.subarray(0, dealt));
      hand[dealt] = this.cards[this.#at++]!;
    }
    return hand;
  }

  /** Of the deck that begins here, what is there most often. */
  #putLast(hand: Int32Array): void {
    const times = new Map<number, number>();
    for (const card of hand) times.set(card, (times.get(card) ?? 0) + 1);
    const most = Math.max(...times.values());
    const isMost = (card: number) => times.get(card) === most;
    const deck = this.cards.subarray(this.#at, this.#at + this.size);
    deck.set([...deck.filter((card) => !isMost(card)), ...deck.filter(isMost)]);
  }
}
