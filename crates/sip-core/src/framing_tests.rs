//! Streams: boundaries, keep-alive, hostile lengths, and that splits change nothing.

use super::*;

fn message(call_id: &str, more: &str, body: &str) -> String {
    format!(
        "INFO sip:c@d SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n\
         Call-ID: {call_id}\r\nCSeq: 7 INFO\r\n{more}\r\n{body}"
    )
}

/// What a stream was, for comparison.
fn run(framer: &mut StreamFramer, chunks: &mut dyn Iterator<Item = &[u8]>) -> Vec<String> {
    let mut seen = Vec::new();
    for chunk in chunks {
        framer.push(chunk);
        loop {
            match framer.next() {
                Ok(None) => break,
                Ok(Some(Frame::Message(m))) => {
                    let m = m.envelope();
                    seen.push(format!("{}:{}", m.call_id(), String::from_utf8_lossy(m.body())));
                }
                Ok(Some(Frame::KeepAlivePing)) => seen.push("ping".into()),
                Ok(Some(Frame::KeepAlivePong)) => seen.push("pong".into()),
                Ok(Some(Frame::Malformed { error, .. })) => seen.push(error.kind.to_string()),
                Err(error) => {
                    if seen.last().is_none_or(|l| l != "dead") {
                        seen.push("dead".into());
                    }
                    assert_eq!(framer.next().map(|_| ()), Err(error));
                    break;
                }
            }
        }
    }
    seen
}

fn whole(bytes: &str) -> Vec<String> {
    run(&mut StreamFramer::new(Limits::default()), &mut [bytes.as_bytes()].into_iter())
}

fn busy_stream() -> String {
    [
        "\r\n\r\n",
        &message("1", "Content-Length: 5\r\n", "\r\n\r\nx"),
        "\r\n",
        &message("2", "l:\r\n 0\r\n", ""),
        "\r\n\r\n\r\n\r\n",
        &message("3", "Content-Length: 3\r\nContact: <\r\n", "bad"),
        &message("4", "Content-Length : 2\r\n", "ok").replace("\r\n", "\n"),
        &message("5", "l: 0\r\n", ""),
    ]
    .concat()
}

const BUSY: [&str; 8] =
    ["ping", "1:\r\n\r\nx", "2:", "ping", "ping", "unterminated quote or bracket", "4:ok", "5:"];

#[test]
fn messages_and_keep_alive_in_order() {
    assert_eq!(whole(&busy_stream()), BUSY);
}

/// Any split of the stream into three parts, and byte by byte.
#[test]
fn splits_change_nothing() {
    let stream = busy_stream();
    let bytes = stream.as_bytes();
    for size in 1..60 {
        let mut framer = StreamFramer::new(Limits::default());
        assert_eq!(run(&mut framer, &mut bytes.chunks(size)), BUSY, "chunks of {size}");
        assert!(framer.is_empty());
    }
    for cut in 0..bytes.len() {
        let (a, b) = bytes.split_at(cut);
        assert_eq!(
            run(&mut StreamFramer::new(Limits::default()), &mut [a, b].into_iter()),
            BUSY,
            "cut at {cut}"
        );
    }
}

#[test]
fn pong_is_one_empty_line_on_our_connection() {
    let mut framer = StreamFramer::opened(Limits::default());
    let stream = format!("\r\n{}\r\n\r\n", message("1", "l: 0\r\n", ""));
    assert_eq!(run(&mut framer, &mut stream.as_bytes().chunks(1)), ["pong", "1:", "pong", "pong"]);
}

/// RFC 3261 section 18.3: without a length nothing behind it can be trusted (CVE-2026-23457 was a cut length).
#[test]
fn streams_without_a_boundary_die_once() {
    let rows = [
        ("", "no length on a stream"),
        ("Content-Length: \r\n", "bad length"),
        ("Content-Length: x\r\n", "bad length"),
        ("Content-Length: -1\r\n", "bad length"),
        ("Content-Length: 1 1\r\n", "bad length"),
        ("Content-Length: 1\r\n 1\r\n", "bad length"),
        ("Content-Length: 18446744073709551616\r\n", "bad length"),
        ("Content-Length: 4294967297\r\n", "message too large"),
        ("Content-Length: 18446744073709551615\r\n", "message too large"),
        ("Content-Length: 1\r\nl: 2\r\n", "conflicting lengths"),
        ("X-Content-Length: 1\r\n", "no length on a stream"),
        ("Content-Length: 262000\r\n", "message too large"),
    ];
    for (more, expected) in rows {
        let limits = Limits::default().with_message_bytes(262_100);
        let stream = message("1", more, &message("2", "l: 0\r\n", ""));
        for size in [1, 7, stream.len()] {
            let seen = run(&mut StreamFramer::new(limits), &mut stream.as_bytes().chunks(size));
            assert_eq!(seen, [expected, "dead"], "{more:?}");
        }
    }
}

#[test]
fn a_malformed_message_with_a_length_does_not_end_the_stream() {
    let stream = message("1", "no colon\r\nl: 1\r\n", "x") + &message("2", "l: 0\r\n", "");
    assert_eq!(whole(&stream), ["bad header name", "2:"]);
}

/// The framer and the parser see the same length, whatever the spelling.
#[test]
fn length_spellings() {
    let spellings = [
        "l:1",
        "L : 1",
        "content-length:1",
        "CONTENT-LENGTH\t:\t1 ",
        "l:\r\n\t1\r\n ",
        "l: 01",
        "l: 1\r\nl: 1",
    ];
    for line in spellings {
        assert_eq!(whole(&message("1", &format!("{line}\r\n"), "z")), ["1:z"], "{line:?}");
    }
}

#[test]
fn endless_heads_are_refused_early() {
    let limits = Limits::default().with_head_bytes(2000);
    let mut framer = StreamFramer::new(limits);
    let seen = run(&mut framer, &mut std::iter::repeat_n(&b"INFO sip:a@b SIP/2.0\r\nX: y\r\n"[..], 1000));
    assert_eq!(seen, ["headers too large", "dead"]);
    assert!(framer.buffered() < 100);
    // Garbage without a line end too.
    let mut framer = StreamFramer::new(limits);
    assert_eq!(
        run(&mut framer, &mut std::iter::repeat_n(&[0xff_u8; 100][..], 100)),
        ["headers too large", "dead"]
    );
}

#[test]
fn a_cut_stream_leaves_something() {
    let mut framer = StreamFramer::new(Limits::default());
    framer.push(message("1", "l: 2\r\n", "a").as_bytes());
    assert!(matches!(framer.next(), Ok(None)));
    assert!(!framer.is_empty());
    framer.buffer_mut().extend_from_slice(b"b");
    assert!(matches!(framer.next(), Ok(Some(Frame::Message(_)))));
    assert!(framer.is_empty());
}

/// A head that comes at once is read another way than one in pieces: to the same end.
#[test]
fn line_ends_out_of_place_are_the_same_at_once_and_in_pieces() {
    let rest = message("1", "Content-Length: 2\r\n", "hi");
    let empty = message("2", "Content-Length: 0\r\n", "");
    let starts = [
        "\r",
        "\r\r\n\n",
        "\n\r\r\n\n",
        "\r\n\r\r\n",
        "\r\r\n\r\n",
        "\n\n\r\r",
        " \r\n",
        "x\r\r\n",
        "x\n\n",
        "x\r\r\n\n",
    ];
    for start in starts {
        for stream in [
            format!("{start}{rest}{empty}"),
            format!("{rest}{start}{empty}"),
            format!("{start}l:1\n\n{rest}"),
        ] {
            let pieces = run(&mut StreamFramer::new(Limits::default()), &mut stream.as_bytes().chunks(1));
            assert_eq!(whole(&stream), pieces, "{stream:?}");
        }
    }
}
