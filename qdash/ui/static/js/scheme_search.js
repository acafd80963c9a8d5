// Which rows a search leaves: each of its words has to begin one of the row's, so that “4” finds 4 bits and not E4M3. “4 bits” is one word.
const wordsOf = (text) => text.toLowerCase().replace(/(\d+)[\s-]*b(i(ts?)?)?(?![a-z0-9])/g, "$1bit").match(/[\p{L}\p{N}]+/gu) ?? [];

function matches(query, text) {
  const own = wordsOf(text);
  return query.every((word) => own.some((one) => one.startsWith(word)));
}
