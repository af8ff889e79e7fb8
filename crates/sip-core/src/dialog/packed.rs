//! A dialog at rest: all its text in one allocation, its numbers beside it.

use bytestring::ByteString;

use super::Dialog;
use crate::{NameAddr, Request, Uri};

/// Where the parts of the text end; the routes follow, each with its own end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ends {
    call_id: u32,
    local: u32,
    remote: u32,
    target: u32,
}

/// A [`Dialog`] in as few bytes as it can be: what an established call keeps while nothing happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    /// Call-ID, local, remote, remote target, and the route set with line ends between.
    text: Box<str>,
    ends: Ends,
    local_tag: (u32, u32),
    remote_tag: (u32, u32),
    pub(crate) local_cseq: u32,
    remote_cseq: Option<u32>,
    remote_has_sent: bool,
}

impl Packed {
    /// Packs.
    pub(crate) fn new(dialog: &Dialog) -> Self {
        let mut text = String::with_capacity(text_len(dialog));
        let mut ends = Ends::default();
        text.push_str(&dialog.id.call_id);
        ends.call_id = len(&text);
        text.push_str(dialog.local.as_str());
        ends.local = len(&text);
        text.push_str(dialog.remote.as_str());
        ends.remote = len(&text);
        text.push_str(dialog.remote_target.as_str());
        ends.target = len(&text);
        for (i, hop) in dialog.route_set.iter().enumerate() {
            if i > 0 {
                text.push('\n');
            }
            text.push_str(hop.as_str());
        }
        let local_tag = tag_in(&text, ends.call_id, ends.local, &dialog.id.local_tag);
        let remote_tag = tag_in(&text, ends.local, ends.remote, &dialog.id.remote_tag);
        Self {
            text: text.into_boxed_str(),
            ends,
            local_tag,
            remote_tag,
            local_cseq: dialog.local_cseq,
            remote_cseq: dialog.remote_cseq,
            remote_has_sent: dialog.remote_has_sent,
        }
    }

    /// The dialog in full; `None` never happens for what was packed from one.
    pub(crate) fn unpack(&self) -> Option<Dialog> {
        let text = ByteString::from(&*self.text);
        let part = |from: u32, to: u32| text.slice_ref(&text[from as usize..to as usize]);
        let local = NameAddr::try_from(part(self.ends.call_id, self.ends.local)).ok()?;
        let remote = NameAddr::try_from(part(self.ends.local, self.ends.remote)).ok()?;
        let remote_target = Uri::try_from(part(self.ends.remote, self.ends.target)).ok()?;
        let routes = &text[self.ends.target as usize..];
        let hops = routes.split('\n').filter(|hop| !hop.is_empty());
        let route_set =
            hops.map(|hop| NameAddr::try_from(text.slice_ref(hop))).collect::<Result<_, _>>().ok()?;
        Some(Dialog {
            id: super::DialogId {
                call_id: self.call_id().to_owned(),
                local_tag: self.local_tag().to_owned(),
                remote_tag: self.remote_tag().to_owned(),
            },
            local,
            remote,
            remote_target,
            route_set,
            local_cseq: self.local_cseq,
            remote_cseq: self.remote_cseq,
            remote_has_sent: self.remote_has_sent,
        })
    }

    /// Takes over what the dialog's numbers and text became.
    pub(crate) fn update(&mut self, dialog: &Dialog) {
        *self = Self::new(dialog);
    }

    /// The numbers of `other`, where they are higher: an early dialog that became this one.
    pub(crate) fn inherit(&mut self, other: &Self) {
        self.local_cseq = self.local_cseq.max(other.local_cseq);
        self.remote_cseq = self.remote_cseq.max(other.remote_cseq);
        self.remote_has_sent |= other.remote_has_sent;
    }

    pub(crate) fn call_id(&self) -> &str {
        self.part((0, self.ends.call_id))
    }

    pub(crate) fn local_tag(&self) -> &str {
        self.part(self.local_tag)
    }

    pub(crate) fn remote_tag(&self) -> &str {
        self.part(self.remote_tag)
    }

    pub(crate) fn remote_target(&self) -> &str {
        self.part((self.ends.remote, self.ends.target))
    }

    /// [`Dialog::check_request`] without unpacking: whether the number is in order; it is noted then.
    pub(crate) fn accepts(&mut self, request: &Request) -> bool {
        let got = request.cseq().number;
        if self.remote_has_sent && self.remote_cseq.is_some_and(|had| got < had) {
            return false;
        }
        self.remote_cseq = Some(got);
        self.remote_has_sent = true;
        true
    }

    /// The bytes it has on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.text.len()
    }

    fn part(&self, (from, to): (u32, u32)) -> &str {
        self.text.get(from as usize..to as usize).unwrap_or_default()
    }
}

fn len(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

fn text_len(dialog: &Dialog) -> usize {
    let routes: usize = dialog.route_set.iter().map(|hop| hop.as_str().len() + 1).sum();
    dialog.id.call_id.len()
        + dialog.local.as_str().len()
        + dialog.remote.as_str().len()
        + dialog.remote_target.as_str().len()
        + routes.saturating_sub(1)
}

/// Where the tag stands between `from` and `to`; it is looked for from the end, where parameters are.
fn tag_in(text: &str, from: u32, to: u32, tag: &str) -> (u32, u32) {
    let at = text[from as usize..to as usize].rfind(tag).filter(|_| !tag.is_empty());
    at.map_or((to, to), |at| (from + at as u32, from + at as u32 + len(tag)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DialogSnapshot;

    /// What is packed comes out as it was, with and without routes.
    #[test]
    fn round_trip() {
        for routes in [vec![], vec!["<sip:p1;lr>"], vec!["<sip:p1;lr>", "\"a, b\" <sip:p2;lr>;x=y"]] {
            let snapshot = DialogSnapshot {
                call_id: "c1@x".into(),
                local: "\"A\" <sip:a@b;x=t1>;tag=t1".into(),
                remote: "<sip:c@d>;tag=r1;epid=0".into(),
                remote_target: "sip:c@192.0.2.1:5060".into(),
                route_set: routes.into_iter().map(str::to_owned).collect(),
                local_cseq: 7,
                remote_cseq: Some(3),
                remote_has_sent: true,
            };
            let dialog = Dialog::restore(snapshot).unwrap();
            let packed = Packed::new(&dialog);
            assert_eq!(packed.unpack().as_ref(), Some(&dialog));
            assert_eq!((packed.call_id(), packed.local_tag(), packed.remote_tag()), ("c1@x", "t1", "r1"));
            assert_eq!(packed.remote_target(), "sip:c@192.0.2.1:5060");
        }
    }
}
