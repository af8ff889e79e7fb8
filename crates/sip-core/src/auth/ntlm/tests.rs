//! The vectors of [MS-NLMP] section 4.2, a handshake of real programs, and messages that are cut, changed or made up.

use md5::Md5;
use proptest::prelude::*;
use sha2::Digest;

use super::crypto::{exchange_key, hmac_md5, proof, rc4};
use super::*;

/// [MS-NLMP] section 4.2.4.3, the challenge.
const CHALLENGE_4_2_4: &str = "\
    4e544c4d53535000020000000c000c003800000033828ae20123456789abcdef00000000000000002400240044000000\
    060070170000000f53006500720076006500720002000c0044006f006d00610069006e0001000c005300650072007600\
    6500720000000000";

/// [MS-NLMP] section 4.2.4.3, the answer.
const ANSWER_4_2_4: &str = "\
    4e544c4d5353500003000000180018006c00000054005400840000000c000c0048000000080008005400000010001000\
    5c00000010001000d8000000358288e20501280a0000000f44006f006d00610069006e00550073006500720043004f00\
    4d005000550054004500520086c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa68cd0ab851e51c96aabc927b\
    ebef6a1c01010000000000000000000000000000aaaaaaaaaaaaaaaa0000000002000c0044006f006d00610069006e00\
    01000c005300650072007600650072000000000000000000c5dad2544fc9799094ce1ce90bc9d03e";

/// What Office Communications Server 2007 R2 asked.
const OCS_CHALLENGE: &str = "\
    4e544c4d53535000020000000000000038000000f38298e2dd1baaf4e7e218d100000000000000009600960038000000\
    0502ce0e0000000f02000a0043004f0053004d004f000100180043004f0053004d004f002d004f00430053002d005200\
    32000400160063006f0073006d006f002e006c006f00630061006c000300300063006f0073006d006f002d006f006300\
    73002d00720032002e0063006f0073006d006f002e006c006f00630061006c000500160063006f0073006d006f002e00\
    6c006f00630061006c0000000000";

/// What Communicator 2007 R2 answered: user User, domain COSMO, password Pa$$word.
const COMMUNICATOR_ANSWER: &str = "\
    4e544c4d53535000030000001800180072000000c600c6008a0000000a000a0048000000080008005200000018001800\
    5a0000001000100050010000558298620502ce0e0000000f43004f0053004d004f00550073006500720043004f005300\
    4d004f002d004f00430053002d0052003200a1e92efe4e078bf7c5c0049acc6166c2d6ae875cb0fdaa418dc0c800ae76\
    eca606d2b9fbebd04731010100000000000059519a1727b9ca01d6ae875cb0fdaa410000000002000a0043004f005300\
    4d004f000100180043004f0053004d004f002d004f00430053002d00520032000400160063006f0073006d006f002e00\
    6c006f00630061006c000300300063006f0073006d006f002d006f00630073002d00720032002e0063006f0073006d00\
    6f002e006c006f00630061006c000500160063006f0073006d006f002e006c006f00630061006c000000000000000000\
    31cb739e1ca80a498591e8ae797115e4";

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).expect("a digit") as u8;
    hex.as_bytes().chunks(2).map(|two| digit(two[0]) << 4 | digit(two[1])).collect()
}

fn array<const N: usize>(hex: &str) -> [u8; N] {
    bytes(hex).try_into().expect("its length")
}

const SERVER_NONCE: [u8; 8] = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
const CLIENT_NONCE: [u8; 8] = [0xaa; 8];
const RANDOM_KEY: [u8; 16] = [0x55; 16];

fn plaintext() -> Vec<u8> {
    wire::utf16("Plaintext")
}

/// Section 4.2.2.1.2 (`NTOWFv1`), 4.2.4.1.1 (`NTOWFv2`).
#[test]
fn hashes_of_passwords() {
    let hash = NtHash::of("Password");
    assert_eq!(Some(&hash), NtHash::from_hex("a4f49c406510bdcab6824ee7c30fd852").as_ref());
    assert_eq!(*hash.response_key("User", "Domain"), array("0c868a403bfd7a93a3001ef22ef02e3f"));
    assert_eq!(hash.response_key("uSER", "Domain"), hash.response_key("User", "Domain"));
    assert_ne!(hash.response_key("User", "DOMAIN"), hash.response_key("User", "Domain"));
    assert!(NtHash::from_hex("a4f4").is_none() && NtHash::from_hex(&"é".repeat(16)).is_none());
    assert_eq!(format!("{hash:?}"), "NtHash(..)");
}

/// Section 4.2.4.1 and 4.2.4.2: proof, keys, LM answer, encrypted session key.
#[test]
fn version_2_answers() {
    let challenge = ChallengeMessage::read(&bytes(CHALLENGE_4_2_4)).expect("a challenge");
    assert_eq!((challenge.flags, challenge.nonce), (Flags(0xe28a_8233), SERVER_NONCE));
    assert_eq!(challenge.target_name, "Server");
    assert_eq!(challenge.target_info, TargetInfo::new().with_domain("Domain").with_computer("Server"));
    let answer = AuthenticateMessage::read(&bytes(ANSWER_4_2_4)).expect("an answer");
    assert_eq!((answer.user(), answer.domain(), answer.workstation.as_str()), ("User", "Domain", "COMPUTER"));
    assert_eq!((answer.flags(), answer.time()), (Flags(0xe288_8235), FileTime(0)));
    let key = NtHash::of("Password").response_key("User", "Domain");
    let found = proof(&key, &SERVER_NONCE, &answer.answer[16..]);
    assert_eq!(*found, array("68cd0ab851e51c96aabc927bebef6a1c"));
    assert_eq!(answer.answer[..16], *found);
    let base = exchange_key(&key, &found);
    assert_eq!(*base, array("8de40ccadbc14a82f15cb0ad0de95ca3"));
    let lm = hmac_md5(&key, &[&SERVER_NONCE, &CLIENT_NONCE]);
    assert_eq!(*lm, array("86c35097ac9cec102554764a57cccc19"));
    assert_eq!(answer.lm_answer, [lm.as_slice(), &CLIENT_NONCE].concat());
    let mut session = RANDOM_KEY;
    rc4(&base, &mut session);
    assert_eq!(session, array("c5dad2544fc9799094ce1ce90bc9d03e"));
    assert_eq!(answer.session_key, session);
}

/// Section 4.2.4.4 (128 bits) and 4.2.3.4 (56 bits): signing and sealing keys, what is encrypted, the checksum.
#[test]
fn keys_of_sessions() {
    let keys = SessionKeys::new(&RANDOM_KEY, Flags(0xe28a_8233));
    let (sign, seal) = keys.client_keys();
    assert_eq!(sign, array("4788dc861b4782f35d43fd98fe1a2d39"));
    assert_eq!(seal, array("59f600973cc4960a25480a7c196e4c58"));
    let checksum = &hmac_md5(&sign, &[&[0; 4], &plaintext()])[..8];
    assert_eq!(checksum, array::<8>("70352851f2564309"));
    let mut sealed = [&plaintext(), checksum].concat();
    rc4(&seal, &mut sealed);
    assert_eq!(sealed, bytes("54e50165bf1936dc996020c1811b0f06fb5f7fb38ec5c55d4976"));

    let weak = SessionKeys::new(&array("eb93429a8bd952f8b89c55b87f475edc"), Flags(0x820a_8233));
    let (sign, seal) = weak.client_keys();
    assert_eq!(sign, array("60e799be5c72fc92922ae8ebe961fb8d"));
    assert_eq!(seal, array("04dd7f014d8504d265a25cc86a3a7c06"));
    assert_eq!(&hmac_md5(&sign, &[&[0; 4], &plaintext()])[..8], array::<8>("ff2aeb52f681793a"));
}

/// Section 4.2.2.2.3: RC4 of the key exchange, with the base key of version 1.
#[test]
fn key_exchange() {
    let mut session = RANDOM_KEY;
    rc4(&array("d87262b0cde4b1cb7499becccdf10784"), &mut session);
    assert_eq!(session, array("518822b1b3f350c8958682ecbb3e3cb7"));
}

/// RFC 1321, RFC 1320, RFC 2202 (padded keys): the hashes themselves.
#[test]
fn hashes() {
    assert_eq!(Md5::digest(b"message digest")[..], array::<16>("f96b697d7cb7938d525a2f31aaf161d0"));
    assert_eq!(md4::Md4::digest(b"message digest")[..], array::<16>("d9130a8164549fe818874806e1c7014b"));
    assert_eq!(*hmac_md5(&[0x0b; 16], &[b"Hi", b" There"]), array("9294727a3638bb1c13f48ef8158bfc9d"));
}

/// A connectionless handshake of Communicator and its server: both parts of ours come to the same bytes and signatures.
#[test]
fn handshake_of_real_programs() {
    let (asked, answered) = (bytes(OCS_CHALLENGE), bytes(COMMUNICATOR_ANSWER));
    let challenge = ChallengeMessage::read(&asked).expect("a challenge");
    assert_eq!(challenge.flags, Flags(0xe298_82f3));
    assert_eq!(challenge.target_info.dns_computer().as_deref(), Some("cosmo-ocs-r2.cosmo.local"));
    let answer = AuthenticateMessage::read(&answered).expect("an answer");
    assert_eq!(answer.write(), answered);
    assert!(answer.flags().has(Flags::KEY_128) && !answer.flags().has(Flags::KEY_56));
    let hash = NtHash::of("Pa$$word");
    let keys = challenge.verify(&answer, &hash).expect("the password");
    assert_eq!(challenge.verify(&answer, &NtHash::of("pa$$word")), Err(Refusal::Proof));
    let text = "<NTLM><13317733><1><SIP Communications Service><cosmo-ocs-r2.cosmo.local>\
        <4037df9284354df39065195bd57a4b14><3><REGISTER><sip:user@cosmo.local><3e49177a52>\
        <sip:user@cosmo.local><><><><>";
    assert_eq!(keys.sign_as_client(text.as_bytes()), array("0100000029618e9651b65a7764000000"));
    let text = "<NTLM><9616454F><1><SIP Communications Service><cosmo-ocs-r2.cosmo.local>\
        <4037df9284354df39065195bd57a4b14><3><REGISTER><sip:user@cosmo.local><3e49177a52>\
        <sip:user@cosmo.local><5E61CCD925D17E043D9A74835A88F664><><><7200><200>";
    assert_eq!(keys.sign_as_server(text.as_bytes()), array("01000000e615438a917661be64000000"));

    // With the same random numbers the client's part makes the same message.
    let response_key = hash.response_key("User", "COSMO");
    let mut key = answer.session_key;
    rc4(
        &exchange_key(&response_key, &proof(&response_key, &challenge.nonce, &answer.answer[16..])),
        &mut key,
    );
    let login = Login::new("User", "COSMO", &hash).with_workstation("COSMO-OCS-R2");
    let nonces = Nonces { client: array("d6ae875cb0fdaa41"), key };
    let ours = login.answer_as(&asked, nonces, answer.time(), answer.version).expect("an answer");
    assert_eq!(ours.message, answered);
    assert_eq!(ours.keys, keys);
}

/// A server's challenge as ours, with or without the time.
fn challenge(time: Option<FileTime>) -> ChallengeMessage {
    let info = TargetInfo::new().with_domain("EXAMPLE").with_dns_computer("fe1.example.com");
    let info = match time {
        Some(time) => info.with_time(time),
        None => info,
    };
    ChallengeMessage::new(SERVER_NONCE, Flags::OFFER, info)
}

fn answer_to(challenge: &ChallengeMessage, password: &str) -> LoginAnswer {
    let login = Login::new("bob@example.com", "", &NtHash::of(password));
    let nonces = Nonces { client: CLIENT_NONCE, key: RANDOM_KEY };
    login.answer(&challenge.write(), nonces, FileTime::from_unix(1_700_000_000)).expect("an answer")
}

/// Sections 3.1.5.2.1 and 3.2.5.2.2: a told time is repeated and asks for a MIC, which covers every byte of both messages.
#[test]
fn a_told_time_asks_for_a_mic() {
    let hash = NtHash::of("builder");
    let time = FileTime::from_unix(1_600_000_000).plus_millis(1);
    assert_eq!(time, FileTime(132_444_736_000_010_000));
    for (told, mic) in [(None, false), (Some(time), true)] {
        let challenge = challenge(told);
        let answer = answer_to(&challenge, "builder");
        let read = AuthenticateMessage::read(&answer.message).expect("an answer");
        assert_eq!((read.mic.is_some(), read.target_info().has_mic_flag()), (mic, mic));
        assert_eq!(read.time(), told.unwrap_or(FileTime::from_unix(1_700_000_000)));
        assert_eq!(challenge.verify(&read, &hash).as_ref(), Ok(&answer.keys));
        let later = self::challenge(told.map(|time| time.plus_millis(1)));
        assert_eq!(later.verify(&read, &hash).is_err(), mic, "the time has to be the one that was told");
    }
    let challenge = challenge(Some(time));
    let message = answer_to(&challenge, "builder").message;
    for at in 0..message.len() {
        let mut changed = message.clone();
        changed[at] ^= 0x10;
        let verdict = AuthenticateMessage::read(&changed).map_err(Refusal::from);
        let verdict = verdict.and_then(|read| challenge.verify(&read, &hash));
        assert!(verdict.is_err(), "byte {at} is not covered");
    }
}

/// What is not offered cannot be taken, and what is needed has to be offered.
#[test]
fn flags_are_checked() {
    let hash = NtHash::of("builder");
    let mut poor = challenge(None);
    poor.flags = poor.flags.without(Flags::DATAGRAM);
    let login = Login::new("bob@example.com", "", &hash);
    let nonces = Nonces { client: CLIENT_NONCE, key: RANDOM_KEY };
    let refused = login.answer(&poor.write(), nonces, FileTime(0)).map(|_| ());
    assert_eq!(refused, Err(Refusal::Flags));
    let full = challenge(None);
    let message = answer_to(&full, "builder").message;
    for flags in [Flags::OFFER | Flags::SEAL, Flags::OFFER.without(Flags::SIGN), Flags::UNICODE] {
        let mut changed = message.clone();
        changed[60..64].copy_from_slice(&flags.0.to_le_bytes());
        let read = AuthenticateMessage::read(&changed).expect("it can be read");
        assert_eq!(full.verify(&read, &hash), Err(Refusal::Flags), "{flags:?}");
    }
    let mut oem = message;
    oem[60..64].copy_from_slice(&Flags::SIGN.0.to_le_bytes());
    assert_eq!(AuthenticateMessage::read(&oem), Err(NtlmError::Text));
}

/// Each message cut off at each byte is refused, or is one that ends there; nothing panics.
#[test]
fn truncated_messages() {
    let (whole, answer) = (bytes(CHALLENGE_4_2_4), bytes(ANSWER_4_2_4));
    for end in 0..whole.len() {
        assert!(ChallengeMessage::read(&whole[..end]).is_err(), "{end}");
    }
    for end in 0..answer.len() {
        assert!(AuthenticateMessage::read(&answer[..end]).is_err(), "{end}");
    }
    let begin = NegotiateMessage::new(Flags::OFFER).write();
    assert_eq!(NegotiateMessage::read(&begin), Ok(NegotiateMessage::new(Flags::OFFER)));
    for end in 0..16 {
        assert!(NegotiateMessage::read(&begin[..end]).is_err(), "{end}");
    }
    assert_eq!(ChallengeMessage::read(&answer), Err(NtlmError::Kind));
    assert_eq!(ChallengeMessage::read(&[b'N'; MESSAGE_MAX + 1]), Err(NtlmError::TooLong));
}

/// Lengths and offsets that lie, pairs without end, answers of version 1.
#[test]
fn hostile_fields() {
    let set = |at: usize, value: &[u8]| {
        let mut message = bytes(ANSWER_4_2_4);
        message[at..at + value.len()].copy_from_slice(value);
        AuthenticateMessage::read(&message).map(|_| ())
    };
    assert_eq!(set(36, &[0xff, 0xff]), Err(NtlmError::Field));
    assert_eq!(set(40, &[0xff, 0xff, 0xff, 0xff]), Err(NtlmError::Field));
    assert_eq!(set(36, &[7, 0]), Err(NtlmError::Text), "half a unit");
    assert_eq!(set(0x54, &[0, 0xd8]), Err(NtlmError::Text), "half a pair");
    assert_eq!(set(20, &[24, 0]), Err(NtlmError::Answer), "version 1");
    assert_eq!(set(148, &[2, 2]), Err(NtlmError::Answer), "a version that does not exist");
    assert_eq!(set(52, &[15, 0]), Err(NtlmError::Field), "a short key");
    assert_eq!(TargetInfo::read(&[1, 0, 2, 0, 65, 0]), Err(NtlmError::TargetInfo), "no end");
    assert_eq!(
        TargetInfo::read(&[7, 0, 2, 0, 65, 0, 0, 0, 0, 0]),
        Err(NtlmError::TargetInfo),
        "a short time"
    );
    assert_eq!(TargetInfo::read(&[1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]), Err(NtlmError::TargetInfo), "twice");
    let many: Vec<u8> = (20..60_u8).flat_map(|id| [id, 0, 0, 0]).chain([0; 4]).collect();
    assert_eq!(TargetInfo::read(&many), Err(NtlmError::TooLong));
}

/// Nobody sees keys.
#[test]
fn secrets_are_not_shown() {
    let answer = answer_to(&challenge(None), "builder");
    let read = AuthenticateMessage::read(&answer.message).expect("an answer");
    let nonces = Nonces { client: CLIENT_NONCE, key: RANDOM_KEY };
    let login = Login::new("bob", "", &NtHash::of("builder"));
    for text in
        [format!("{:?}", answer.keys), format!("{read:?}"), format!("{nonces:?}"), format!("{login:?}")]
    {
        assert!(!text.contains("85") && !text.contains("170"), "{text}");
    }
}

fn pairs() -> impl Strategy<Value = TargetInfo> {
    let pair = (20_u16.., proptest::collection::vec(any::<u8>(), 0..20));
    proptest::collection::vec(pair, 0..6)
        .prop_map(|list| list.into_iter().fold(TargetInfo::new(), |info, (id, value)| info.with(id, value)))
}

proptest! {
    /// What is written is read again.
    #[test]
    fn challenges_round_trip(nonce: [u8; 8], name in "\\PC{0,20}", info in pairs(), flags: u32) {
        let flags = Flags(flags) | Flags::UNICODE;
        let challenge = ChallengeMessage { flags, nonce, target_name: name, target_info: info };
        prop_assert_eq!(ChallengeMessage::read(&challenge.write()), Ok(challenge));
    }

    /// Any user and password: the server comes to the client's keys, and to nothing with another password.
    #[test]
    fn both_sides_agree(
        (user, domain, password) in ("\\PC{0,20}", "\\PC{0,20}", "\\PC{0,20}"),
        (client, key, nonce) in any::<([u8; 8], [u8; 16], [u8; 8])>(),
        (info, time) in (pairs(), proptest::option::of(any::<u64>())),
        text in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let info = match time { Some(time) => info.with_time(FileTime(time)), None => info };
        let challenge = ChallengeMessage::new(nonce, Flags::OFFER, info);
        let login = Login::new(&user, &domain, &NtHash::of(&password));
        let answer = login.answer(&challenge.write(), Nonces { client, key }, FileTime(1)).unwrap();
        let read = AuthenticateMessage::read(&answer.message).unwrap();
        let keys = challenge.verify(&read, &NtHash::of(&password)).unwrap();
        prop_assert!(keys.is_of_client(&text, &answer.keys.sign_as_client(&text)));
        prop_assert!(answer.keys.is_of_server(&text, &keys.sign_as_server(&text)));
        prop_assert!(!keys.is_of_client(&text, &keys.sign_as_server(&text)), "directions are apart");
        let other = NtHash::of(&format!("{password}x"));
        prop_assert!(challenge.verify(&read, &other).is_err());
    }

    /// Any bytes behind a good beginning are read without harm; what is read is written and read again.
    #[test]
    fn any_bytes_are_read(kind in 1_u32..4, mut rest in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut message = b"NTLMSSP\0".to_vec();
        message.extend_from_slice(&kind.to_le_bytes());
        message.append(&mut rest);
        let _ = NegotiateMessage::read(&message);
        let _ = AuthenticateMessage::read(&message);
        if let Ok(challenge) = ChallengeMessage::read(&message) {
            let read = ChallengeMessage::read(&challenge.write());
            prop_assert_eq!(read.map(|read| read.target_info), Ok(challenge.target_info));
        }
    }
}
