// Which pages the search shows first: answers, then runs, then the reference. Sphinx reads this
// file in place of its own scores (`html_search_scorer`); the numbers beside `score` are its own.
const PLACES = [
  [/^questions\//, 30],
  [/^(index|glossary|reforms|rerun|own-corpus|annotate|corpora)$/, 22],
  [/^runs\/book\//, 20],
  [/^runs\//, 15],
  [/^reference\/api-/, -30],
];

var Scorer = {
  score: (result) => {
    const place = PLACES.find(([pattern]) => pattern.test(result[0]));
    return result[4] + (place ? place[1] : 0);
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
