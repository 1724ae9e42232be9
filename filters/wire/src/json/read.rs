//! The types that the plugin reads, field by field as [`crate::feed`], [`crate::grant`] and [`crate::config`] declare
//! them.

use super::{Error, Raw, Result, cursor::Cursor};
use crate::{
    Reason, Refusal,
    config::{Control, IdentitySource, Mode, PluginConfig},
    feed::{
        Credential, EgressOutcome, EgressRecord, EgressRoute, Hashes, IngressRecord, Keyed, Organization,
        Poll, Records, Sink,
    },
    grant::{Csrf, GrantAnswer, Granted},
    idle::Idle,
};

/// Reads the answer to a poll.
///
/// # Errors
/// When the bytes are not its JSON.
pub fn read_poll(json: &[u8]) -> Result<Poll<Raw<'_>>> {
    Cursor::all(json, |cursor| {
        let (mut epoch, mut revision) = (None, None);
        let (mut resync, mut more) = (false, false);
        let (mut changed, mut removed) = (Vec::new(), Vec::new());
        cursor.object(&mut |name, value| {
            match name {
                "epoch" => epoch = Some(value.string()?),
                "revision" => revision = Some(value.number()?),
                "resync" => resync = value.bool()?,
                "more" => more = value.bool()?,
                "changed" => changed = keyed_list(value)?,
                "removed" => removed = strings(value)?,
                _ => pass(value)?,
            }
            Ok(())
        })?;
        let (epoch, revision) = (needed(epoch, "epoch")?, needed(revision, "revision")?);
        Ok(Poll { epoch, revision, resync, more, changed, removed })
    })
}

/// Reads a page of records.
///
/// # Errors
/// When the bytes are not its JSON.
pub fn read_records(json: &[u8]) -> Result<Records<Raw<'_>>> {
    Cursor::all(json, |cursor| {
        let (mut epoch, mut records, mut more) = (None, None, false);
        cursor.object(&mut |name, value| {
            match name {
                "epoch" => epoch = Some(value.string()?),
                "records" => records = Some(keyed_list(value)?),
                "more" => more = value.bool()?,
                _ => pass(value)?,
            }
            Ok(())
        })?;
        Ok(Records { epoch: needed(epoch, "epoch")?, records: needed(records, "records")?, more })
    })
}

/// Reads a page of hashes.
///
/// # Errors
/// When the bytes are not its JSON.
pub fn read_hashes(json: &[u8]) -> Result<Hashes> {
    Cursor::all(json, |cursor| {
        let (mut epoch, mut hashes, mut more) = (None, None, false);
        cursor.object(&mut |name, value| {
            match name {
                "epoch" => epoch = Some(value.string()?),
                "hashes" => hashes = Some(list(value, |one| one.pair(Cursor::string, Cursor::string))?),
                "more" => more = value.bool()?,
                _ => pass(value)?,
            }
            Ok(())
        })?;
        Ok(Hashes { epoch: needed(epoch, "epoch")?, hashes: needed(hashes, "hashes")?, more })
    })
}

/// Reads one record of the egress view.
///
/// # Errors
/// When the bytes are not its JSON.
pub fn read_egress(json: &[u8]) -> Result<EgressRecord> {
    Cursor::all(json, |cursor| {
        let (mut manual, mut outcome) = (false, None);
        cursor.object(&mut |name, value| {
            match name {
                "manual" => manual = value.bool()?,
                "outcome" => outcome = Some(variant(value, outcome_of)?),
                _ => pass(value)?,
            }
            Ok(())
        })?;
        Ok(EgressRecord { manual, outcome: needed(outcome, "outcome")? })
    })
}

/// Reads one record of the ingress view.
///
/// # Errors
/// When the bytes are not its JSON.
pub fn read_ingress(json: &[u8]) -> Result<IngressRecord> {
    Cursor::all(json, |cursor| {
        let (mut common_names, mut organization, mut sink) = (None, None, None);
        cursor.object(&mut |name, value| {
            match name {
                "commonNames" => common_names = Some(strings(value)?),
                "organization" => organization = optional(value, organization_of)?,
                "sink" => sink = optional(value, sink_of)?,
                _ => pass(value)?,
            }
            Ok(())
        })?;
        Ok(IngressRecord { common_names: needed(common_names, "commonNames")?, organization, sink })
    })
}

/// Reads the answer to a grant's call.
///
/// # Errors
/// When the bytes are not its JSON.
pub fn read_grant(json: &[u8]) -> Result<GrantAnswer> {
    Cursor::all(json, |cursor| {
        variant(cursor, |name, value| match (name, value) {
            ("granted", Some(value)) => granted(value).map(GrantAnswer::Granted),
            ("refused", Some(value)) => refusal(value).map(GrantAnswer::Refused),
            ("unknown", None) => Ok(GrantAnswer::Unknown),
            (name, _) => Err(unknown(name)),
        })
    })
}

/// Reads a plugin's configuration. Fields that are not known count for nothing, as everywhere: see [`PluginConfig`].
///
/// # Errors
/// When the bytes are not its JSON.
pub fn read_config(json: &[u8]) -> Result<PluginConfig> {
    Cursor::all(json, |cursor| {
        let mut config = PluginConfig::default();
        cursor.object(&mut |name, value| {
            match name {
                "hosts" => config.hosts = strings(value)?,
                "listeners" => {
                    config.listeners.clear();
                    value.object(&mut |port, mode| {
                        let number = port.parse().map_err(|_| unknown(port))?;
                        config.listeners.insert(number, variant(mode, mode_of)?);
                        Ok(())
                    })?;
                }
                "serverNameMatched" => config.server_name_matched = value.bool()?,
                "control" => config.control = control(value)?,
                "holdMs" => config.hold_ms = value.number()?,
                "maxHeld" => config.max_held = value.number()?,
                "staleWarningMs" => config.stale_warning_ms = value.number()?,
                "maxStalenessMs" => config.max_staleness_ms = value.number()?,
                "replayBytes" => config.replay_bytes = value.number()?,
                "replayAnswerBytes" => config.replay_answer_bytes = value.number()?,
                "replayBudget" => config.replay_budget = value.number()?,
                "headersTimeoutMs" => config.headers_timeout_ms = value.number()?,
                "concurrency" => config.concurrency = value.number()?,
                "metered" => config.metered = value.number()?,
                "traced" => config.traced = value.bool()?,
                "identity" => {
                    config.identity = variant(value, |name, _| match name {
                        "xfcc" => Ok(IdentitySource::Xfcc),
                        "connection" => Ok(IdentitySource::Connection),
                        _ => Err(unknown(name)),
                    })?;
                }
                _ => pass(value)?,
            }
            Ok(())
        })?;
        Ok(config)
    })
}

fn control(cursor: &mut Cursor<'_>) -> Result<Control> {
    let mut control = Control::default();
    cursor.object(&mut |name, value| {
        match name {
            "cluster" => control.cluster = value.string()?,
            "authority" => control.authority = value.string()?,
            "waitMs" => control.wait_ms = value.number()?,
            "pageBytes" => control.page_bytes = value.number()?,
            _ => pass(value)?,
        }
        Ok(())
    })?;
    Ok(control)
}

fn mode_of(name: &str, content: Option<&mut Cursor<'_>>) -> Result<Mode> {
    match (name, content) {
        ("manual", None) => Ok(Mode::Manual),
        ("ucl", None) => Ok(Mode::Ucl),
        ("route", None) => Ok(Mode::Route),
        ("identify", None) => Ok(Mode::Identify),
        _ => Err(unknown(name)),
    }
}

fn keyed_list<'a>(cursor: &mut Cursor<'a>) -> Result<Vec<Keyed<Raw<'a>>>> {
    list(cursor, |cursor| {
        let (mut key, mut hash, mut record) = (None, None, None);
        cursor.object(&mut |name, value| {
            match name {
                "key" => key = Some(value.string()?),
                "hash" => hash = Some(value.string()?),
                "record" => record = Some(value.value()?),
                _ => pass(value)?,
            }
            Ok(())
        })?;
        Ok(Keyed { key: needed(key, "key")?, hash: needed(hash, "hash")?, record: needed(record, "record")? })
    })
}

fn outcome_of(name: &str, content: Option<&mut Cursor<'_>>) -> Result<EgressOutcome> {
    match (name, content) {
        ("route", Some(value)) => route(value).map(|route| EgressOutcome::Route(Box::new(route))),
        ("refusal", Some(value)) => refusal(value).map(EgressOutcome::Refusal),
        _ => Err(unknown(name)),
    }
}

fn route(cursor: &mut Cursor<'_>) -> Result<EgressRoute> {
    let (mut profile, mut authority) = (None, None);
    let mut route = EgressRoute::default();
    cursor.object(&mut |name, value| {
        match name {
            "profile" => profile = Some(value.string()?),
            "tls" => route.tls = value.bool()?,
            "authority" => authority = Some(value.string()?),
            "basePath" => route.base_path = value.string()?,
            "query" => route.query = value.string()?,
            "encodeUrl" => route.encode_url = value.bool()?,
            "credential" => route.credential = variant(value, credential)?,
            "headers" => route.headers = list(value, |one| one.pair(Cursor::string, Cursor::string))?,
            "queryParameters" => {
                route.query_parameters = list(value, |one| one.pair(Cursor::string, strings))?;
            }
            "headersTimeoutMs" => route.headers_timeout_ms = optional(value, Cursor::number)?,
            "csrf" => route.csrf = optional(value, Cursor::string)?,
            "noReplay" => route.no_replay = value.bool()?,
            "replayBytes" => route.replay_bytes = optional(value, Cursor::number)?,
            "concurrency" => route.concurrency = optional(value, Cursor::number)?,
            "idle" => route.idle = optional(value, idle)?,
            _ => pass(value)?,
        }
        Ok(())
    })?;
    Ok(EgressRoute {
        profile: needed(profile, "profile")?,
        authority: needed(authority, "authority")?,
        ..route
    })
}

fn credential(name: &str, content: Option<&mut Cursor<'_>>) -> Result<Credential> {
    match (name, content) {
        ("none", None) => Ok(Credential::None),
        ("static", Some(value)) => value.string().map(Credential::Static),
        ("grant", Some(value)) => value.string().map(Credential::Grant),
        _ => Err(unknown(name)),
    }
}

fn idle(cursor: &mut Cursor<'_>) -> Result<Idle> {
    variant(cursor, |name, content| match content {
        None => Idle::from_word(name).ok_or_else(|| unknown(name)),
        Some(_) => Err(unknown(name)),
    })
}

fn refusal(cursor: &mut Cursor<'_>) -> Result<Refusal> {
    let (mut status, mut reason, mut body, mut retry_after) = (None, None, String::new(), None);
    cursor.object(&mut |name, value| {
        match name {
            "status" => status = Some(value.number()?),
            "reason" => reason = Some(Reason::from(value.string()?)),
            "body" => body = value.string()?,
            "retryAfter" => retry_after = optional(value, Cursor::number)?,
            _ => pass(value)?,
        }
        Ok(())
    })?;
    Ok(Refusal { status: needed(status, "status")?, reason: needed(reason, "reason")?, body, retry_after })
}

fn granted(cursor: &mut Cursor<'_>) -> Result<Granted> {
    let (mut serial, mut authorization) = (None, None);
    let (mut refresh_ms, mut expires_ms, mut csrf) = (None, None, None);
    cursor.object(&mut |name, value| {
        match name {
            "serial" => serial = Some(value.number()?),
            "authorization" => authorization = Some(value.string()?),
            "refreshMs" => refresh_ms = optional(value, Cursor::number)?,
            "expiresMs" => expires_ms = optional(value, Cursor::number)?,
            "csrf" => csrf = optional(value, csrf_of)?,
            _ => pass(value)?,
        }
        Ok(())
    })?;
    let (serial, authorization) = (needed(serial, "serial")?, needed(authorization, "authorization")?);
    Ok(Granted { serial, authorization, refresh_ms, expires_ms, csrf })
}

fn csrf_of(cursor: &mut Cursor<'_>) -> Result<Csrf> {
    let (mut token, mut cookies) = (None, Vec::new());
    cursor.object(&mut |name, value| {
        match name {
            "token" => token = Some(value.string()?),
            "cookies" => cookies = strings(value)?,
            _ => pass(value)?,
        }
        Ok(())
    })?;
    Ok(Csrf { token: needed(token, "token")?, cookies })
}

fn organization_of(cursor: &mut Cursor<'_>) -> Result<Organization> {
    let (mut organization, mut unit) = (None, None);
    cursor.object(&mut |name, value| {
        match name {
            "organization" => organization = Some(value.string()?),
            "unit" => unit = Some(value.string()?),
            _ => pass(value)?,
        }
        Ok(())
    })?;
    Ok(Organization { organization: needed(organization, "organization")?, unit: needed(unit, "unit")? })
}

fn sink_of(cursor: &mut Cursor<'_>) -> Result<Sink> {
    let (mut profile, mut authority, mut publish_path) = (None, None, None);
    cursor.object(&mut |name, value| {
        match name {
            "profile" => profile = Some(value.string()?),
            "authority" => authority = Some(value.string()?),
            "publishPath" => publish_path = Some(value.string()?),
            _ => pass(value)?,
        }
        Ok(())
    })?;
    Ok(Sink {
        profile: needed(profile, "profile")?,
        authority: needed(authority, "authority")?,
        publish_path: needed(publish_path, "publishPath")?,
    })
}

/// One of several: a name alone, or an object with one field of that name and what belongs to it.
fn variant<'a, T>(
    cursor: &mut Cursor<'a>,
    read: impl Fn(&str, Option<&mut Cursor<'a>>) -> Result<T>,
) -> Result<T> {
    if !cursor.is_object() {
        return read(&cursor.text()?, None);
    }
    let mut found = None;
    cursor.object(&mut |name, value| match found {
        None => {
            found = Some(read(name, Some(value))?);
            Ok(())
        }
        Some(_) => Err(Error::new("expected one field")),
    })?;
    found.ok_or_else(|| Error::new("expected one field"))
}

fn list<'a, T>(cursor: &mut Cursor<'a>, read: impl Fn(&mut Cursor<'a>) -> Result<T>) -> Result<Vec<T>> {
    let mut list = Vec::new();
    cursor.array(&mut |item| {
        list.push(read(item)?);
        Ok(())
    })?;
    Ok(list)
}

fn strings(cursor: &mut Cursor<'_>) -> Result<Vec<String>> {
    list(cursor, Cursor::string)
}

fn optional<'a, T>(
    cursor: &mut Cursor<'a>,
    read: impl FnOnce(&mut Cursor<'a>) -> Result<T>,
) -> Result<Option<T>> {
    if cursor.null() { Ok(None) } else { read(cursor).map(Some) }
}

fn pass(cursor: &mut Cursor<'_>) -> Result<()> {
    cursor.value().map(|_| ())
}

fn needed<T>(field: Option<T>, name: &str) -> Result<T> {
    field.ok_or_else(|| Error::new(["there is no `", name, "`"].concat()))
}

fn unknown(name: &str) -> Error {
    Error::new(["`", name, "` is not known"].concat())
}
