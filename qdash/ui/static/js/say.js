// The words of all scripts. Sentences stand where they are used, in English; in another language qdash/ui/components/script_words.py sets
// `qdashWords` before this runs: the language's code, its sentences, and which of their forms goes with a number.
const { _, ngettext, decimal } = ((words) => {
  const filled = (text, values) => text.replace(/\{(\w+)\}/g, (name, key) => values[key] ?? name);
  const decimal = (number) => number.toLocaleString(words.code);
  return {
    decimal,
    _: (text, values = {}) => filled(words.sentences[text] ?? text, values),
    ngettext: (one, many, number, values = {}) => {
      const forms = words.sentences[one];
      const form = Array.isArray(forms) ? forms[words.form(number)] : number === 1 ? one : many;
      return filled(form, { number: decimal(number), ...values });
    },
  };
})(window.qdashWords ?? { code: "en", sentences: {} });
