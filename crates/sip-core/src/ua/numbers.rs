//! The CSeq numbers of dialogs in which a challenge was answered: the repetition took a number that the dialog above
//! does not know of, so later requests are numbered here.

use std::collections::{HashMap, VecDeque};

use crate::build::RequestDraft;

/// Dialogs that are remembered; a client holds three for each conference, and the oldest are long over.
const DIALOGS_MAX: usize = 4096;

/// Call-ID and our tag.
type Key = (String, String);

/// The highest number that was sent, by dialog.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    highest: HashMap<Key, u32>,
    order: VecDeque<Key>,
}

impl Numbers {
    /// Gives a request the next number, if its own was used for something else.
    pub(super) fn number(&mut self, draft: RequestDraft) -> RequestDraft {
        if self.highest.is_empty() {
            return draft;
        }
        let Some((key, own)) = read(&draft) else { return draft };
        let Some(highest) = self.highest.get_mut(&key) else { return draft };
        let number = own.max(highest.saturating_add(1));
        *highest = number;
        if number == own { draft } else { draft.cseq(number) }
    }

    /// Gives a request a new number, higher than its own and than those of `others` in its dialog.
    pub(super) fn renumber<'a>(
        &mut self,
        draft: RequestDraft,
        others: impl Iterator<Item = &'a RequestDraft>,
    ) -> RequestDraft {
        let Some((key, own)) = read(&draft) else { return draft };
        if !self.highest.contains_key(&key) {
            let of_dialog = others.filter_map(read).filter(|(other, _)| *other == key);
            let highest = of_dialog.map(|(_, number)| number).max().unwrap_or(0).max(own);
            self.highest.insert(key.clone(), highest);
            self.order.push_back(key);
        }
        if self.order.len() > DIALOGS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.highest.remove(&oldest);
        }
        self.number(draft)
    }
}

fn read(draft: &RequestDraft) -> Option<(Key, u32)> {
    let number = draft.cseq_value()?.number;
    let tag = draft.from_addr()?.tag().unwrap_or_default().to_owned();
    Some(((draft.call_id_value()?.to_owned(), tag), number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Method, Uri};

    fn draft(call_id: &str, number: u32) -> RequestDraft {
        let uri = Uri::parse("sip:bob@example.com").expect("a URI");
        let from = "<sip:alice@example.com>;tag=a".parse().expect("an address");
        RequestDraft::new(Method::Info, uri).from(from).call_id(call_id).cseq(number)
    }

    fn cseq(draft: &RequestDraft) -> u32 {
        draft.cseq_value().expect("a CSeq").number
    }

    /// RFC 3261 section 12.2.1.1: numbers in a dialog grow, also where requests cross a challenge.
    #[test]
    fn numbers_grow_past_a_challenge() {
        let mut numbers = Numbers::default();
        assert_eq!(cseq(&numbers.number(draft("a", 5))), 5, "nothing was challenged");
        let others = [draft("a", 5), draft("a", 6), draft("b", 90)];
        assert_eq!(cseq(&numbers.renumber(draft("a", 5), others.iter())), 7);
        assert_eq!(cseq(&numbers.renumber(draft("a", 6), others.iter())), 8);
        assert_eq!(cseq(&numbers.number(draft("a", 7))), 9);
        assert_eq!(cseq(&numbers.number(draft("a", 20))), 20);
        assert_eq!(cseq(&numbers.number(draft("a", 20))), 21);
        assert_eq!(cseq(&numbers.number(draft("b", 91))), 91, "another dialog");
    }

    /// Every queue has a bound.
    #[test]
    fn old_dialogs_are_forgotten() {
        let mut numbers = Numbers::default();
        for dialog in 0..=DIALOGS_MAX {
            numbers.renumber(draft(&dialog.to_string(), 1), std::iter::empty());
        }
        assert_eq!((numbers.highest.len(), numbers.order.len()), (DIALOGS_MAX, DIALOGS_MAX));
        assert_eq!(cseq(&numbers.number(draft("0", 1))), 1);
        assert_eq!(cseq(&numbers.number(draft("1", 1))), 3);
    }
}
